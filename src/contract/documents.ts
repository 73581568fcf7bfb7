/**
 * Documents are what people's programs read: the JSON that commands print, and later that of the service. Their fields
 * are spelled in snake_case, as the columns of tables are. The inputs and results of workflows stay in camelCase, as is
 * usual in Temporal's TypeScript.
 */

type SnakeCase<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Uppercase<First> ? (First extends Lowercase<First> ? First : `_${Lowercase<First>}`) : First}${SnakeCase<Rest>}`
  : Name;

/** `T` with the fields of all its objects in snake_case, and bigints and dates as strings. */
export type Document<T> = T extends bigint | Date
  ? string
  : T extends readonly (infer Item)[]
    ? Document<Item>[]
    : T extends object
      ? { [Field in keyof T as Field extends string ? SnakeCase<Field> : never]: Document<T[Field]> }
      : T;

/**
 * Every field of every object is renamed. A map whose keys are data (users, currencies) must be an array of objects
 * instead, or its keys would be renamed too.
 */
export function toDocument<T>(value: T): Document<T> {
  return converted(value) as Document<T>;
}

function converted(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(converted);
  if (value instanceof Date) return value.toISOString();
  const document: Record<string, unknown> = {};
  for (const field of Object.keys(value)) document[snakeCase(field)] = converted(value[field as keyof typeof value]);
  return document;
}

/** Spellings found so far: an export converts the same dozen fields millions of times. */
const spellings = new Map<string, string>();

function snakeCase(field: string): string {
  const known = spellings.get(field);
  if (known !== undefined) return known;
  const spelling = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  spellings.set(field, spelling);
  return spelling;
}
