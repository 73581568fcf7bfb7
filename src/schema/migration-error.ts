/** The schema can't be brought up to date; the message says why and what to do. */
export class MigrationError extends Error {
  override name = 'MigrationError';
}
