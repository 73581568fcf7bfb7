/** A certificate for a test's PostgreSQL, made by the program openssl: Node can make keys, and no certificates. */
import { execFile } from 'node:child_process';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { serverUser } from '../../src/dev/postgres-user.js';

export interface Certificate {
  /** Signed by itself, for the names localhost and 127.0.0.1: what a client trusts as `sslrootcert`. */
  path: string;
  /** Of a server that shows it. */
  settings: Record<string, string>;
  remove(): Promise<void>;
}

export async function makeCertificate(): Promise<Certificate> {
  const dir = await mkdtemp(join(tmpdir(), 'meterfold-certificate-'));
  const [key, path] = [join(dir, 'key.pem'), join(dir, 'certificate.pem')];
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  await promisify(execFile)('openssl', [
    ...args,
    '-keyout',
    key,
    '-out',
    path,
    '-subj',
    '/CN=localhost',
    '-addext',
    names,
  ]);
  await chmod(dir, 0o755);
  await chmod(key, 0o600);
  if (process.getuid?.() === 0) {
    const { uid, gid } = await serverUser();
    await chown(key, uid, gid);
  }
  return {
    path,
    settings: { ssl: 'on', ssl_cert_file: path, ssl_key_file: key },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}
