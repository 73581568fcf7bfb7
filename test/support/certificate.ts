/**
 * The certificate of test servers with TLS. It is for localhost and 127.0.0.1, and signed by the tests' own authority.
 * Both are in certificates/, are valid for a hundred years, and protect nothing.
 */
import { chmod, chown, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serverUser } from '../../src/embedded/postgres-user.js';

const certificates = join(import.meta.dirname, 'certificates');
/** The certificate of the authority, which a client trusts as `sslrootcert`. */
export const AUTHORITY = join(certificates, 'ca.crt');

export interface Certificate {
  /** The settings of a PostgreSQL server that uses it. */
  settings: Record<string, string>;
  remove(): Promise<void>;
}

/** Copies it to a directory where only the server's user can read the key. */
export async function provideCertificate(): Promise<Certificate> {
  const dir = await mkdtemp(join(tmpdir(), 'meterfold-certificate-'));
  const [path, key] = ['server.crt', 'server.key'].map((name) => join(dir, name)) as [string, string];
  await cp(join(certificates, 'server.crt'), path);
  await cp(join(certificates, 'server.key'), key);
  await chmod(dir, 0o755);
  await chmod(key, 0o600);
  if (process.getuid?.() === 0) {
    const { uid, gid } = await serverUser();
    await chown(key, uid, gid);
  }
  return {
    settings: { ssl: 'on', ssl_cert_file: path, ssl_key_file: key },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}
