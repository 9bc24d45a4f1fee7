/**
 * BullMQ's PostgreSQL backend on a machine whose clock may be wrong. BullMQ dates locks by each
 * client's clock: a machine a minute ahead finds every lock expired, and would take runs from
 * workers that live. So expired locks are searched for only right after the clocks were compared. While
 * they differ by over 2 s nothing is taken, and the locks of what is in hand are dated by the
 * server's clock.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { createPostgresBackend } from 'bullmq';
import type { ServerClock } from './server-clock.js';

/** While the clocks differ, a worker asks for an entry again after this time. */
const askAgainMs = 1000;

export function withClock(
  create: typeof createPostgresBackend,
  clock: ServerClock,
): typeof createPostgresBackend {
  return (queue, options, more) => {
    const backend = create(queue, options, more);
    const search = backend.moveStalledJobsToWait.bind(backend);
    backend.moveStalledJobsToWait = async () => {
      await clock.read();
      return clock.isApart() ? [] : search();
    };
    const take = backend.moveToActive.bind(backend);
    backend.moveToActive = async (token, name) => {
      if (!clock.isApart()) return take(token, name);
      // Not as a rate limit: its end would be a moment of the clock that is wrong.
      await sleep(askAgainMs);
      return [null, '', 0, 0];
    };
    const complete = backend.moveToCompleted.bind(backend);
    backend.moveToCompleted = (job, value, remove, token, fetchNext) =>
      complete(job, value, remove, token, fetchNext && !clock.isApart());
    const fail = backend.moveToFailed.bind(backend);
    backend.moveToFailed = (job, reason, remove, token, fetchNext, fields) =>
      fail(job, reason, remove, token, fetchNext && !clock.isApart(), fields);
    const extend = backend.extendLock.bind(backend);
    backend.extendLock = async (id, token, ms) => extend(id, token, await byServer(ms));
    const extendAll = backend.extendLocks.bind(backend);
    backend.extendLocks = async (ids, tokens, ms) => extendAll(ids, tokens, await byServer(ms));
    /** A time from now on this machine's clock that ends when `ms` have passed on the server's. */
    const byServer = async (ms: number) => {
      // After a suspend the clocks only seem to differ.
      if (clock.isApart()) await clock.read();
      return Math.round(ms - clock.ahead());
    };
    return backend;
  };
}
