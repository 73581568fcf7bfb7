import { expect, expectTypeOf, test } from 'vitest';
import { type Document, toDocument } from '../../../src/contract/documents.js';

const value = {
  runId: '7',
  range: { after: '0', to: null },
  carriedIn: { calls: 12n },
  openedAt: new Date('2026-10-01T12:00:00Z'),
  p99Seconds: 0.5,
  blockedBy: [{ startedAt: null, pid: 3 }],
  already_snake: true,
};

test('a document has the fields of all its objects in snake_case, and bigints and dates as strings', () => {
  expect(toDocument(value)).toEqual({
    run_id: '7',
    range: { after: '0', to: null },
    carried_in: { calls: '12' },
    opened_at: '2026-10-01T12:00:00.000Z',
    p99_seconds: 0.5,
    blocked_by: [{ started_at: null, pid: 3 }],
    already_snake: true,
  });
});

test('values stay as they are, also those that look like the name of a field', () => {
  expect(toDocument({ userId: 'callsPerCycle', note: null, missing: undefined })).toEqual({
    user_id: 'callsPerCycle',
    note: null,
    missing: undefined,
  });
  expect([toDocument('runId'), toDocument(null), toDocument([1, 'runId'])]).toEqual(['runId', null, [1, 'runId']]);
});

test('the type of a document has the same spelling', () => {
  expectTypeOf<Document<typeof value>>().toEqualTypeOf<{
    run_id: string;
    range: { after: string; to: null };
    carried_in: { calls: string };
    opened_at: string;
    p99_seconds: number;
    blocked_by: { started_at: null; pid: number }[];
    already_snake: boolean;
  }>();
});
