/** The database cannot be migrated; the message says why and what to do. */
export class MigrationError extends Error {
  override name = 'MigrationError';
}
