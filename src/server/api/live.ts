/**
 * What changes, for those who watch: one numbered list of events, of which a watcher that was away gets what it
 * missed. Events say what has changed, not how: whoever needs that asks for it. How far runs are goes
 * along unnumbered, since only the newest counts.
 */
import { randomBytes } from 'node:crypto';
import type { RunProgress } from '../../core/run-progress.js';

/** What an event is about. */
export type LiveTopic =
  | 'runs'
  | 'pauses'
  | 'workers'
  | 'config'
  | 'queue'
  | 'incidents'
  | 'messages';

export interface LiveParts {
  /** Calls the watcher with the newest states of runs until the function that it returns is called. */
  readonly onProgress: (watcher: (states: readonly RunProgress[]) => void) => () => void;
  /** What nobody reports when it changes, by topic; looked at while somebody watches. */
  readonly look: () => Promise<ReadonlyMap<LiveTopic, string>>;
  /** Time between two flushes, ms; 250 if it is absent. */
  readonly flushMs?: number;
}

/** Where events are written to: the response of a request. */
export interface Outlet {
  write(text: string): unknown;
  destroy(): unknown;
  /** Bytes that are not sent yet. */
  readonly writableLength: number;
}

const usualFlushMs = 250;
const lookMs = 10_000;
const commentMs = 15_000;
/** Events that a watcher can be behind, and for how long. */
const mostKept = 10_000;
const keptMs = 5 * 60_000;
/** A watcher that reads nothing costs no more than this, and is closed. */
const mostBehindBytes = 256 * 1024;
/** What is more at once is no list of changes: `reset` is sent in its place. */
const mostAtOnce = 128 * 1024;
const mostStuckMs = 30_000;

interface Viewer {
  readonly outlet: Outlet;
  readonly stillIn: () => Promise<boolean>;
  /** Since when it has not taken all that it was sent, ms. */
  stuckSince: number | undefined;
}

export class LiveEvents {
  readonly #parts: LiveParts;
  /** Of this process: numbers of another one mean nothing here. */
  readonly #epoch = randomBytes(4).toString('hex');
  #last = 0;
  readonly #kept: { readonly number: number; readonly at: number; readonly text: string }[] = [];
  readonly #viewers = new Set<Viewer>();
  /** What the next flush sends: of each thing its newest state. */
  readonly #pending = new Map<string, { readonly topic: LiveTopic; readonly data: object }>();
  readonly #progress = new Map<string, RunProgress>();
  #flushing: NodeJS.Timeout | undefined;
  #begun = new Set<string>();
  #seen: ReadonlyMap<LiveTopic, string> | undefined;
  #stopWatching: (() => void) | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  /** How many watch. */
  get viewers(): number {
    return this.#viewers.size;
  }

  /** Something has changed; of what has the same `key` within a moment only the last is sent. */
  say(topic: LiveTopic, data: object = {}, key = ''): void {
    this.#pending.set(`${topic} ${key}`, { topic, data });
    this.#soon();
  }

  /** A run is in another state now. */
  sayRun(state: 'requested' | 'active' | 'ended', run: string, job?: string): void {
    if (state === 'ended') this.#begun.delete(run);
    this.say('runs', { run, state, ...(job !== undefined && { job }) }, run);
  }

  /** Sends events until the outlet is closed; `lastId`: the last one that the watcher has. Returns what ends it. */
  watch(outlet: Outlet, lastId: string | undefined, stillIn: () => Promise<boolean>): () => void {
    const viewer: Viewer = { outlet, stillIn, stuckSince: undefined };
    this.#viewers.add(viewer);
    if (this.#viewers.size === 1) this.#begin();
    outlet.write(`retry: 1000\n\n${this.#missedSince(lastId)}`);
    return () => this.#drop(viewer);
  }

  /** Ends all watching. */
  close(): void {
    for (const viewer of this.#viewers) this.#cut(viewer);
    clearTimeout(this.#flushing);
  }

  #begin(): void {
    this.#stopWatching = this.#parts.onProgress((states) => this.#hear(states));
    this.#timers = [
      setInterval(() => void this.#look(), lookMs).unref(),
      setInterval(() => this.#sendAll(': here\n\n'), commentMs).unref(),
    ];
    void this.#look();
  }

  #drop(viewer: Viewer): void {
    if (!this.#viewers.delete(viewer) || this.#viewers.size > 0) return;
    this.#stopWatching?.();
    for (const timer of this.#timers) clearInterval(timer);
    this.#progress.clear();
    this.#seen = undefined;
  }

  #cut(viewer: Viewer): void {
    this.#drop(viewer);
    viewer.outlet.destroy();
  }

  #hear(states: readonly RunProgress[]): void {
    for (const state of states) {
      this.#progress.set(state.run, state);
      if (!this.#begun.has(state.run)) {
        this.#begun.add(state.run);
        this.sayRun('active', state.run, state.job);
      }
    }
    this.#soon();
  }

  /** Looks for changes that nobody reports. */
  async #look(): Promise<void> {
    const found = await this.#parts.look().catch(() => undefined);
    if (found === undefined) return;
    const before = this.#seen;
    this.#seen = found;
    for (const [topic, state] of found)
      if (before !== undefined && before.get(topic) !== state) this.say(topic);
  }

  #soon(): void {
    this.#flushing ??= setTimeout(() => this.#flush(), this.#parts.flushMs ?? usualFlushMs).unref();
  }

  #flush(): void {
    this.#flushing = undefined;
    const now = Date.now();
    let text = '';
    for (const { topic, data } of this.#pending.values()) {
      const number = ++this.#last;
      const one = `id: ${this.#epoch}.${number}\nevent: ${topic}\ndata: ${JSON.stringify(data)}\n\n`;
      this.#kept.push({ number, at: now, text: one });
      text += one;
      const { run, state } = data as { run?: string; state?: string };
      if (state === 'ended' && run !== undefined) this.#progress.delete(run);
    }
    this.#pending.clear();
    this.#forget(now);
    if (text.length > mostAtOnce) text = this.#reset();
    if (this.#progress.size > 0 && this.#viewers.size > 0)
      text += progressText([...this.#progress.values()]);
    this.#progress.clear();
    if (text !== '') this.#sendAll(text);
  }

  #forget(now: number): void {
    let gone = Math.max(0, this.#kept.length - mostKept);
    while ((this.#kept[gone]?.at ?? now) < now - keptMs) gone++;
    if (gone > 0) this.#kept.splice(0, gone);
  }

  /** The events after the last that a watcher has; where that is not known, `reset`: it asks for all anew. */
  #missedSince(lastId: string | undefined): string {
    if (lastId === undefined) return this.#reset();
    const [, epoch, digits] = /^([0-9a-f]{8})\.(\d{1,15})$/.exec(lastId) ?? [];
    const number = Number(digits);
    const first = this.#kept[0]?.number ?? this.#last + 1;
    if (epoch !== this.#epoch || number > this.#last || number < first - 1) return this.#reset();
    const missed = this.#kept.slice(number - first + 1).map(({ text }) => text);
    const length = missed.reduce((sum, text) => sum + text.length, 0);
    return length > mostAtOnce ? this.#reset() : missed.join('');
  }

  #reset(): string {
    return `id: ${this.#epoch}.${this.#last}\nevent: reset\ndata: {}\n\n`;
  }

  #sendAll(text: string): void {
    for (const viewer of this.#viewers) void this.#send(viewer, text);
  }

  /** Nobody gets anything after their session has ended. */
  async #send(viewer: Viewer, text: string): Promise<void> {
    if (!(await viewer.stillIn())) return this.#cut(viewer);
    const { outlet } = viewer;
    outlet.write(text);
    const behind = outlet.writableLength;
    if (behind === 0) viewer.stuckSince = undefined;
    else viewer.stuckSince ??= performance.now();
    const { stuckSince = Number.POSITIVE_INFINITY } = viewer;
    if (behind > mostBehindBytes || performance.now() - stuckSince > mostStuckMs) this.#cut(viewer);
  }
}

function progressText(states: readonly RunProgress[]): string {
  return `event: progress\ndata: ${JSON.stringify(states)}\n\n`;
}
