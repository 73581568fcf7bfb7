/**
 * TLS for connections to PostgreSQL, as in libpq: which certificates are trusted, what is verified, and which
 * certificate the client presents. Files in ~/.postgresql are used if they exist and the URL names no others.
 *
 * Source: https://www.postgresql.org/docs/current/libpq-ssl.html
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, rootCertificates, type SecureVersion } from 'node:tls';
import { type DatabaseUrl, DatabaseUrlError } from './database-url.js';

/** The trusted authorities of the operating system: Debian, Red Hat, Alpine and macOS. */
const SYSTEM_ROOTS = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];

/** Throws DatabaseUrlError for a file that is missing. */
export async function tlsOptions(
  { sslmode, parameters }: DatabaseUrl,
  environment: NodeJS.ProcessEnv,
): Promise<ConnectionOptions> {
  const get = (name: string) => parameters.get(name) || undefined;
  const folder = join(environment.HOME || homedir(), '.postgresql');
  const ca = await rootsOf(get('sslrootcert'), folder, environment);
  if (ca === undefined && (sslmode === 'verify-ca' || sslmode === 'verify-full')) {
    throw new DatabaseUrlError([
      `sslmode=${sslmode} needs the authority of the server's certificate: name its file in sslrootcert, use sslrootcert=system, ` +
        `or put it into ${join(folder, 'root.crt')}`,
    ]);
  }
  const showsCertificate = get('sslcertmode') !== 'disable';
  const cert = showsCertificate ? await fileOf('sslcert', get('sslcert'), join(folder, 'postgresql.crt')) : undefined;
  const key = cert === undefined ? undefined : await fileOf('sslkey', get('sslkey'), join(folder, 'postgresql.key'));
  const crl = await fileOf('sslcrl', get('sslcrl'), join(folder, 'root.crl'));
  const passphrase = get('sslpassword');
  const min = get('ssl_min_protocol_version');
  const max = get('ssl_max_protocol_version');
  return {
    // As in libpq, the chain is verified in every mode if an authority is known.
    rejectUnauthorized: ca !== undefined,
    ...(ca === undefined ? {} : { ca }),
    ...(sslmode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(crl === undefined || ca === undefined ? {} : { crl }),
    ...(min === undefined ? {} : { minVersion: min as SecureVersion }),
    ...(max === undefined ? {} : { maxVersion: max as SecureVersion }),
  };
}

async function rootsOf(
  given: string | undefined,
  folder: string,
  environment: NodeJS.ProcessEnv,
): Promise<string | string[] | undefined> {
  if (given !== 'system') return fileOf('sslrootcert', given, join(folder, 'root.crt'));
  for (const path of environment.SSL_CERT_FILE ? [environment.SSL_CERT_FILE] : SYSTEM_ROOTS) {
    const roots = await readFile(path, 'utf8').catch(() => undefined);
    if (roots !== undefined) return roots;
  }
  // Slim images have none: use Mozilla's authorities, which are part of Node.
  return [...rootCertificates];
}

/** Reads a file. A file that the URL names must exist; the default file need not. */
async function fileOf(name: string, given: string | undefined, byDefault: string): Promise<string | undefined> {
  try {
    return await readFile(given ?? byDefault, 'utf8');
  } catch (cause) {
    if (given === undefined) return undefined;
    const reason = (cause as Error).message;
    throw new DatabaseUrlError([`${name}=${given} cannot be read (${reason}): name a file that exists`], { cause });
  }
}
