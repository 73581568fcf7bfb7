import { expect, test } from 'vitest';
import { RunStatistics } from '../../../src/workflows/statistics.js';

interface Done {
  worker: string;
  attempt: number;
  calls?: string;
}

function count(statistics: RunStatistics, name: string, done: Done, backup = false): Promise<Done> {
  return statistics.count({ name, backup, callsIn: ({ calls = '0' }) => calls }, () => Promise.resolve(done));
}

test('activities are counted with all their attempts', async () => {
  const statistics = new RunStatistics({ begun() {}, ended() {} });
  await count(statistics, 'map 0', { worker: 'host:1', attempt: 1, calls: '10' });
  await count(statistics, 'reduce 0', { worker: 'host:1', attempt: 3 });
  await count(statistics, 'reduce 1', { worker: 'host:2', attempt: 2 });
  expect(statistics.activities()).toEqual({ scheduled: 3, completed: 3, retried: 3, backups: 0 });
});

test('a failed activity is scheduled, not completed; one that is done again counts for the worker that completed it', async () => {
  const statistics = new RunStatistics({ begun() {}, ended() {} });
  const failing = statistics.count({ name: 'map 0' }, () => Promise.reject<Done>(new Error('no')));
  await expect(failing).rejects.toThrow('no');
  await count(statistics, 'map 0', { worker: 'host:2', attempt: 1, calls: '10' }, true);
  await count(statistics, 'map 0', { worker: 'host:2', attempt: 1, calls: '10' });
  expect(statistics.activities()).toEqual({ scheduled: 3, completed: 2, retried: 0, backups: 1 });
  expect(statistics.workers()).toEqual([{ worker: 'host:2', activities: 1, calls: '10' }]);
});

test('each worker has its own activities and calls, in the order of names', async () => {
  const statistics = new RunStatistics({ begun() {}, ended() {} });
  await count(statistics, 'map 0', { worker: 'pod-b:7', attempt: 1, calls: '9007199254740993' });
  await count(statistics, 'map 1', { worker: 'pod-a:9', attempt: 1, calls: '5' });
  await count(statistics, 'map 2', { worker: 'pod-b:7', attempt: 1, calls: '9007199254740993' });
  await count(statistics, 'publish', { worker: 'pod-b:7', attempt: 1 });
  expect(statistics.workers()).toEqual([
    { worker: 'pod-a:9', activities: 1, calls: '5' },
    { worker: 'pod-b:7', activities: 3, calls: '18014398509481986' },
  ]);
});

test('a run without activities has no workers', () => {
  const statistics = new RunStatistics({ begun() {}, ended() {} });
  expect(statistics.activities()).toEqual({ scheduled: 0, completed: 0, retried: 0, backups: 0 });
  expect(statistics.workers()).toEqual([]);
});
