/** Brings recorded histories into the repository: without the names and paths of the machine they were recorded on. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { historyToJSON, type History as RecordedHistory } from '@temporalio/common/lib/proto-utils.js';
import { type History, historiesDir, type JsonPayload } from './histories.js';

/**
 * A recorded history in Temporal's JSON form. Workers are called recorder:PID in it, in what activities answered as in the
 * result that the workflow made of it; stack traces, which name files, are left out. Replay does not look at either.
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

/** Saves histories over those of their names, one event a line: a second recording of the same shows as few changes. */
export function saveHistories(histories: ReadonlyMap<string, History>): void {
  mkdirSync(historiesDir, { recursive: true });
  for (const [name, { events }] of histories) {
    const lines = events.map((event) => JSON.stringify(event)).join(',\n');
    writeFileSync(join(historiesDir, `${name}.json`), `{"events":[\n${lines}\n]}\n`);
  }
}
