/** A command cannot do what it was asked for; the message says why and how to fix it. */
export class CommandError extends Error {
  override name = 'CommandError';
}
