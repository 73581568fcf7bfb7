/**
 * What a command prints with `--json`, in the spelling of a workflow's result, so that the same functions judge both.
 */
export function camelCased<T>(document: T): T {
  if (Array.isArray(document)) return document.map(camelCased) as T;
  if (typeof document !== 'object' || document === null) return document;
  const fields = Object.entries(document).map(([field, value]) => [
    field.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    camelCased(value),
  ]);
  return Object.fromEntries(fields) as T;
}
