/**
 * Pings to checks of Healthchecks: a run's begin and end, each run under an id of its own, and the
 * heartbeat of a daemon. A check sounds the alarm when pings stop coming, so that a dead daemon is noticed.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../core/events.js';
import { type NotDelivered, post } from './post.js';

/** What a ping says, by the end of its address: nothing is "all is well", `log` changes nothing. */
type Signal = '' | '/start' | '/fail' | '/log';

export interface PingsParts {
  /** The end of a run's log; the lines are cut to what the check takes. */
  readonly endOfLog: (run: string) => Promise<readonly string[]>;
  /** A ping that did not arrive. */
  readonly onLost: (why: string) => void;
  /** Milliseconds before each further try; for tests. */
  readonly waits?: readonly number[];
}

/** Milliseconds before each further try. */
const usualWaits = [2000, 10_000];
/** Milliseconds that pings on their way may hold up the end of the daemon. */
const lastPingsMs = 2000;
/** Bytes of a body where the check says nothing of a limit (`Ping-Body-Limit`). */
const usualBodyBytes = 10_000;
const mostBodyBytes = 100_000;

export class Pings {
  readonly #parts: PingsParts;
  readonly #closing = new AbortController();
  /** Of each check of a run the last ping: the next one comes after it. */
  readonly #last = new Map<string, Promise<number>>();

  constructor(parts: PingsParts) {
    this.#parts = parts;
  }

  /** A run has begun. `urls`: addresses of its checks, with `{job}` in place of its job. */
  began(urls: readonly string[], job: string, run: string): void {
    for (const url of urls) this.#queue(url, job, run, '/start', []);
  }

  /** A run has ended. A cancelled one says neither that it succeeded nor that it failed. */
  ended(urls: readonly string[], job: string, run: string, outcome: Outcome): void {
    if (urls.length === 0) return;
    const signal = outcome === 'succeeded' ? '' : outcome === 'cancelled' ? '/log' : '/fail';
    const lines = this.#parts.endOfLog(run).catch(() => []);
    const end = `{"event":"end","job":${JSON.stringify(job)},"run":"${run}","outcome":"${outcome}"}`;
    for (const url of urls) this.#queue(url, job, run, signal, async () => [...(await lines), end]);
  }

  /** All that a heartbeat is for is alive. Never rejects. */
  async beat(url: string): Promise<void> {
    await this.#send(url, '');
  }

  /** Waits a moment for pings on their way, and makes no more. Never rejects. */
  async close(): Promise<void> {
    const stop = new AbortController();
    const late = sleep(lastPingsMs, undefined, { signal: stop.signal }).catch(() => {});
    await Promise.race([Promise.all(this.#last.values()), late]);
    stop.abort();
    this.#closing.abort();
  }

  #queue(
    url: string,
    job: string,
    run: string,
    signal: Signal,
    lines: readonly string[] | (() => Promise<readonly string[]>),
  ): void {
    const address = addressOf(url, job, run, signal);
    const key = `${url} ${run}`;
    const before = this.#last.get(key) ?? Promise.resolve(usualBodyBytes);
    const ping = before.then(async (limit) => {
      const body = typeof lines === 'function' ? lastOf(await lines(), limit) : '';
      return (await this.#send(address, body)) ?? limit;
    });
    this.#last.set(key, ping);
    void ping.finally(() => {
      if (this.#last.get(key) === ping && signal !== '/start') this.#last.delete(key);
    });
  }

  /** Resolves to the bytes that the check takes of a body; undefined if it did not say. Never rejects. */
  async #send(address: string, body: string): Promise<number | undefined> {
    const waits = [...(this.#parts.waits ?? usualWaits)];
    for (;;) {
      if (this.#closing.signal.aborted) return undefined;
      try {
        const limit = Number((await post(address, { body })).get('ping-body-limit') ?? Number.NaN);
        return Number.isNaN(limit) ? undefined : Math.min(limit, mostBodyBytes);
      } catch (error) {
        const { again = false, message } = error as Partial<NotDelivered> & Error;
        const wait = again ? waits.shift() : undefined;
        if (wait === undefined) {
          this.#parts.onLost(message);
          return undefined;
        }
        await sleep(wait, undefined, { signal: this.#closing.signal }).catch(() => {});
      }
    }
  }
}

/** The address of one ping. Healthchecks joins the begin and the end of a run by its `rid`. */
function addressOf(url: string, job: string, run: string, signal: Signal): string {
  const address = new URL(url.replaceAll('{job}', encodeURIComponent(job)));
  address.pathname = address.pathname.replace(/\/$/, '') + signal;
  address.searchParams.set('rid', uuidOf(run));
  return address.href;
}

/** A UUID that is a function of the run's id (RFC 9562 §5.8). */
export function uuidOf(run: string): string {
  const bytes = createHash('sha256').update(run).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** The last whole lines that fit into so many bytes. */
function lastOf(lines: readonly string[], bytes: number): string {
  const kept: string[] = [];
  let left = bytes;
  for (const line of lines.toReversed()) {
    left -= Buffer.byteLength(line) + 1;
    if (left < 0) break;
    kept.unshift(`${line}\n`);
  }
  return kept.join('');
}
