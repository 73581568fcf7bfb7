import { expect, test } from 'vitest';
import { ActivitySlots } from '../../../src/workers/slots.js';

const never = new AbortController().signal;

/** Whether it is settled, once all that can be has been. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  promise.then(settle, settle);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

test('as many polls have a slot as there are slots; the next one waits until one is released', async () => {
  const slots = new ActivitySlots(2);
  const permit = await slots.reserveSlot(undefined, never);
  await slots.reserveSlot(undefined, never);
  const third = slots.reserveSlot(undefined, never);
  const fourth = slots.reserveSlot(undefined, never);
  expect(await isSettled(third)).toBe(false);
  slots.releaseSlot({ permit });
  expect(await isSettled(third)).toBe(true);
  expect(await isSettled(fourth)).toBe(false);
});

test('what is handed over with a workflow task comes beside them, and takes none from them', async () => {
  const slots = new ActivitySlots(1);
  const permit = await slots.reserveSlot(undefined, never);
  const eager = slots.tryReserveSlot();
  const waiting = slots.reserveSlot(undefined, never);
  slots.releaseSlot({ permit: eager });
  expect(await isSettled(waiting)).toBe(false);
  slots.releaseSlot({ permit });
  expect(await isSettled(waiting)).toBe(true);
});

test('a poll that is given up waits no longer, and leaves its slot to the next', async () => {
  const slots = new ActivitySlots(1);
  const permit = await slots.reserveSlot(undefined, never);
  const poll = new AbortController();
  const givenUp = slots.reserveSlot(undefined, poll.signal);
  const next = slots.reserveSlot(undefined, never);
  poll.abort(new Error('shutting down'));
  await expect(givenUp).rejects.toThrow('shutting down');
  await expect(slots.reserveSlot(undefined, poll.signal)).rejects.toThrow('shutting down');
  slots.releaseSlot({ permit });
  expect(await isSettled(next)).toBe(true);
});
