/**
 * What changes while somebody looks: one stream for the tab, read with fetch, since it needs the key. It
 * says what has changed, and the views ask again. A hidden tab has none: browsers open six connections
 * to a server at most.
 */
import { computed, effect, signal } from '@preact/signals';
import { clock } from './clock.js';
import { keyHeader, session } from './session.js';

export type Topic = 'runs' | 'pauses' | 'workers' | 'config' | 'incidents' | 'messages';

export interface RunProgress {
  readonly run: string;
  readonly job: string;
  readonly phase: string;
  readonly scanned: number;
  readonly files: { readonly done: number; readonly total: number };
  readonly bytes: { readonly done: number; readonly total: number };
  /** Bytes a second. */
  readonly rate?: number;
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
let tries = 0;
let current: AbortController | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;

function close(): void {
  clearTimeout(timer);
  current?.abort();
  current = undefined;
}

function open(): void {
  close();
  const mine = new AbortController();
  current = mine;
  read(mine.signal)
    .catch(() => {})
    .finally(() => {
      if (current !== mine) return;
      isClosed.value = true;
      current = undefined;
      // 1 s, 2 s, 4 s … 30 s, each by half more or less, so that tabs don't come at once
      const wait = Math.min(30_000, 1000 * 2 ** tries++) * (0.5 + Math.random());
      timer = setTimeout(open, Math.min(30_000, Math.max(1000, wait)));
    });
}

effect(() => {
  const isIn = typeof session.value !== 'string';
  if (!isIn) close();
  else if (document.visibilityState === 'visible' && current === undefined) open();
});
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden') close();
  else if (typeof session.peek() !== 'string') {
    tries = 0;
    open();
  }
});

async function read(abort: AbortSignal): Promise<void> {
  const response = await fetch('api/v1/events', {
    cache: 'no-store',
    signal: abort,
    headers: { ...keyHeader(), ...(lastId !== undefined && { 'last-event-id': lastId }) },
  });
  if (response.status === 401) session.value = 'none';
  if (!response.ok || response.body === null) throw new Error(`${response.status}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  tries = 0;
  isClosed.value = false;
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heardAt.value = Date.now();
    const blocks = `${rest}${value}`.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) take(block);
  }
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
