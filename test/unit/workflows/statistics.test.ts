import { expect, test } from 'vitest';
import { RunStatistics } from '../../../src/workflows/statistics.js';

test('activities are counted with all their tries', () => {
  const statistics = new RunStatistics();
  statistics.add({ worker: 'host:1', attempt: 1 }, '10');
  statistics.add({ worker: 'host:1', attempt: 3 });
  statistics.add({ worker: 'host:2', attempt: 2 });
  expect(statistics.activities()).toEqual({ scheduled: 3, completed: 3, retried: 3 });
});

test('each worker has its own activities and calls, in the order of names', () => {
  const statistics = new RunStatistics();
  statistics.add({ worker: 'pod-b:7', attempt: 1 }, '9007199254740993');
  statistics.add({ worker: 'pod-a:9', attempt: 1 }, '5');
  statistics.add({ worker: 'pod-b:7', attempt: 1 }, '9007199254740993');
  statistics.add({ worker: 'pod-b:7', attempt: 1 });
  expect(statistics.workers()).toEqual([
    { worker: 'pod-a:9', activities: 1, calls: '5' },
    { worker: 'pod-b:7', activities: 3, calls: '18014398509481986' },
  ]);
});

test('a run without activities has no workers', () => {
  const statistics = new RunStatistics();
  expect(statistics.activities()).toEqual({ scheduled: 0, completed: 0, retried: 0 });
  expect(statistics.workers()).toEqual([]);
});
