/** Saves recorded histories in the repository, without the names and paths of the machine that recorded them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { historyToJSON, type History as RecordedHistory } from '@temporalio/common/lib/proto-utils.js';
import { type History, historiesDir, type JsonPayload } from './histories.js';

/**
 * A recorded history in Temporal's JSON form. Workers are named recorder:PID, in the results of activities and in the
 * result of the workflow. Stack traces, which name files, are removed. A replay uses neither.
 */
export function anonymous(recorded: RecordedHistory): History {
  return clean(JSON.parse(historyToJSON(recorded))) as History;
}

function clean(value: unknown, key?: string): unknown {
  if (key === 'stackTrace') return '';
  if (typeof value === 'string') return rename(value);
  if (Array.isArray(value)) return value.map((item) => clean(item));
  if (typeof value !== 'object' || value === null) return value;
  const payload = value as JsonPayload;
  if (payload.metadata !== undefined && payload.data !== undefined) {
    return { ...payload, data: base64(rename(Buffer.from(payload.data, 'base64').toString())) };
  }
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, clean(field, name)]));
}

const workerName = new RegExp(`\\b${hostname().replaceAll('.', '\\.')}:(?=\\d)`, 'g');

function rename(text: string): string {
  return text.replaceAll(workerName, 'recorder:').replaceAll(`@${hostname()}`, '@recorder');
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** Saves histories, one event a line, so that a second recording shows few differences. */
export function saveHistories(histories: ReadonlyMap<string, History>): void {
  mkdirSync(historiesDir, { recursive: true });
  for (const [name, { events }] of histories) {
    const lines = events.map((event) => JSON.stringify(event)).join(',\n');
    writeFileSync(join(historiesDir, `${name}.json`), `{"events":[\n${lines}\n]}\n`);
  }
}
