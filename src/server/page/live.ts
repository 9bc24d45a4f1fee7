/**
 * What changes while somebody looks: a stream, read with fetch, since it needs the key. It says what has
 * changed, and the views ask again. Browsers open six connections to a server at most, so all tabs have one
 * stream, and a hidden tab has none.
 */
import { computed, effect, signal } from '@preact/signals';
import { clock } from './clock.js';
import { keyHeader, session } from './session.js';
import type { Progress } from './types.js';

export type Topic = 'runs' | 'pauses' | 'workers' | 'config' | 'queue' | 'incidents' | 'messages';

interface RunProgress extends Progress {
  readonly run: string;
  readonly job: string;
}

const listeners = new Map<Topic, Set<() => void>>();

/** Calls `listener` when something of these topics has changed; returns what ends that. */
export function changed(topics: readonly Topic[], listener: () => void): () => void {
  for (const topic of topics)
    listeners.set(topic, (listeners.get(topic) ?? new Set()).add(listener));
  return () => {
    for (const topic of topics) listeners.get(topic)?.delete(listener);
  };
}

function tell(topic: Topic): void {
  for (const listener of listeners.get(topic) ?? []) listener();
}

function tellAll(): void {
  for (const topic of listeners.keys()) tell(topic);
}

/** The newest of each run that is carried out. */
export const progress = signal<ReadonlyMap<string, RunProgress>>(new Map());

/** When the server was last heard, ms; it says something every 15 s. */
const heardAt = signal<number | undefined>(undefined);
const openedAt = Date.now();

const isClosed = signal(true);

/** Undefined while what is shown is live; else since when it is not. Nothing older than 20 s counts as live. */
export const notLiveSince = computed(() => {
  const last = heardAt.value ?? openedAt;
  const isOver = isClosed.value && clock.value - last > 3000;
  return isOver || clock.value - last > 20_000 ? last : undefined;
});

let lastId: string | undefined;
let current: AbortController | undefined;

/** Tabs of one browser share one stream: the one that has the lock reads it, and hands it on. */
const shared = `ferryline-live ${location.pathname}`;
const channel = new BroadcastChannel(shared);
channel.onmessage = ({ data }: MessageEvent<string>) => {
  if (data !== 'hello') hear(data);
  else if (!isClosed.value) channel.postMessage(': here');
};

function close(): void {
  current?.abort();
  current = undefined;
}

function open(): void {
  close();
  const mine = new AbortController();
  current = mine;
  channel.postMessage('hello');
  // browsers have locks where nobody can listen in: with TLS, and on loopback
  if (navigator.locks === undefined) void stay(mine.signal);
  else
    navigator.locks
      .request(shared, { signal: mine.signal }, () => stay(mine.signal))
      .catch(() => {});
}

/** Reads the stream, and connects again, until it is closed. */
async function stay(abort: AbortSignal): Promise<void> {
  let tries = 0;
  while (!abort.aborted) {
    const was = await read(abort).catch(() => false);
    if (abort.aborted) return;
    isClosed.value = true;
    tries = was ? 0 : tries + 1;
    // 1 s, 2 s, 4 s … 30 s, each by half more or less, so that tabs don't come at once
    const wait = 1000 * 2 ** tries * (0.5 + Math.random());
    await sleep(Math.min(30_000, Math.max(1000, wait)), abort);
  }
}

function sleep(ms: number, abort: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    abort.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

effect(() => {
  const isIn = typeof session.value !== 'string';
  if (!isIn) close();
  else if (document.visibilityState === 'visible' && current === undefined) open();
});
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden') close();
  else if (typeof session.peek() !== 'string') open();
});

/** Reads until the stream ends; true: it had begun. */
async function read(abort: AbortSignal): Promise<boolean> {
  const response = await fetch('api/v1/events', {
    cache: 'no-store',
    signal: abort,
    headers: { ...keyHeader(), ...(lastId !== undefined && { 'last-event-id': lastId }) },
  });
  if (response.status === 401) session.value = 'none';
  if (!response.ok || response.body === null) return false;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read().catch(() => ({ done: true, value: '' }));
    if (done) return true;
    const blocks = `${rest}${value}`.split('\n\n');
    rest = blocks.pop() ?? '';
    if (blocks.length === 0) continue;
    const whole = blocks.join('\n\n');
    channel.postMessage(whole);
    hear(whole);
  }
}

/** Whole messages, of this tab's stream or of another's. */
function hear(text: string): void {
  isClosed.value = false;
  heardAt.value = Date.now();
  for (const block of text.split('\n\n')) take(block);
}

/** One message of a stream (HTML standard §9.2.6); a comment is none. */
function take(block: string): void {
  const fields = new Map(
    block.split('\n').map((line) => {
      const at = line.indexOf(': ');
      return [line.slice(0, at), line.slice(at + 2)] as const;
    }),
  );
  const id = fields.get('id');
  if (id !== undefined) lastId = id;
  const kind = fields.get('event');
  const data = fields.get('data');
  if (kind === undefined || data === undefined) return;
  if (kind === 'reset') {
    progress.value = new Map();
    tellAll();
  } else if (kind === 'progress') setProgress(JSON.parse(data));
  else {
    if (kind === 'runs') forgetEnded(JSON.parse(data));
    tell(kind as Topic);
  }
}

function setProgress(all: readonly RunProgress[]): void {
  const next = new Map(progress.value);
  for (const one of all) next.set(one.run, one);
  progress.value = next;
}

function forgetEnded({ run, state }: { readonly run?: string; readonly state?: string }): void {
  if (state !== 'ended' || run === undefined || !progress.value.has(run)) return;
  const next = new Map(progress.value);
  next.delete(run);
  progress.value = next;
}
