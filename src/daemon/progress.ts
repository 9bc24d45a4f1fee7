/**
 * How far the runs are that are being carried out: of this process's own it knows by itself, of others what
 * their workers send every five seconds, and every second while somebody watches anywhere. However many
 * watch at one process, the others hear of it once.
 */
import type { RunEvent } from '../core/events.js';
import { Meter } from '../core/meter.js';
import type { ListenToRun, RunRequest } from '../core/request.js';
import { type RunProgress, runProgress } from '../core/run-progress.js';
import type { ProgressStream } from '../queue/progress-stream.js';
import type { Signals } from '../queue/signals.js';

export interface ProgressParts {
  readonly stream: ProgressStream;
  readonly signals: Pick<Signals, 'send' | 'on'>;
  /** Removes secrets from a path. */
  readonly redact: (text: string) => string;
}

export type WatchProgress = (states: readonly RunProgress[]) => void;

const tickMs = 1000;
/** Without watchers, only every fifth tick is sent. */
const ticksUnwatched = 5;
/** A process that has watchers says so this often, and holds for three times as long: no end of it need arrive. */
const lookEveryMs = 5000;
const lookedForMs = 15_000;
/** What was heard of a run so long ago is nothing that it does now. */
const oldAfterMs = 60_000;

/** A run in hand here. */
interface Own {
  readonly request: RunRequest;
  readonly meter: Meter;
  path: string | undefined;
}

export class RunsProgress {
  readonly #parts: ProgressParts;
  readonly #own = new Map<string, Own>();
  readonly #heard = new Map<string, { readonly at: number; readonly state: RunProgress }>();
  readonly #watchers = new Set<WatchProgress>();
  #lookedUntil = Number.NEGATIVE_INFINITY;
  #ticks = 0;
  #ticking: NodeJS.Timeout | undefined;
  #looking: NodeJS.Timeout | undefined;

  constructor(parts: ProgressParts) {
    this.#parts = parts;
    parts.signals.on('look', () => this.#isLookedAt());
    parts.signals.on('ended', ({ run }) => this.#ended(run));
    parts.stream.on((states) => this.#hear(states));
  }

  /** As `listen`, and notes how far each run is. */
  listening(listen: ListenToRun): ListenToRun {
    return (request) => {
      const inner = listen(request);
      const own: Own = { request, meter: new Meter(), path: undefined };
      this.#own.set(request.run, own);
      this.#ticking ??= setInterval(() => this.#tick(), tickMs).unref();
      return {
        emit: (event) => {
          this.#note(own, event);
          inner.emit(event);
        },
        end: async () => {
          if (this.#own.get(request.run) === own) this.#ended(request.run);
          await inner.end();
        },
      };
    };
  }

  /** How far a run is; undefined while nothing is known of it. */
  of(run: string): RunProgress | undefined {
    const own = this.#own.get(run);
    if (own !== undefined) return this.#stateOf(own);
    const heard = this.#heard.get(run);
    return heard !== undefined && performance.now() - heard.at < oldAfterMs
      ? heard.state
      : undefined;
  }

  /** Calls `watcher` with the newest states, about once a second, until the function that it returns is called. */
  watch(watcher: WatchProgress): () => void {
    // A caller may pass one function twice, and end one of the two.
    const own: WatchProgress = (states) => watcher(states);
    this.#watchers.add(own);
    if (this.#looking === undefined) {
      this.#looking = setInterval(() => this.#look(), lookEveryMs).unref();
      this.#look();
    }
    return () => {
      this.#watchers.delete(own);
      if (this.#watchers.size > 0) return;
      clearInterval(this.#looking);
      this.#looking = undefined;
    };
  }

  /** Says nothing more. */
  /** Closes the stream as well. */
  close(): Promise<void> {
    clearInterval(this.#ticking);
    clearInterval(this.#looking);
    this.#watchers.clear();
    return this.#parts.stream.close();
  }

  /** A run, or an attempt of it, has ended, here or elsewhere. */
  #ended(run: string): void {
    this.#own.delete(run);
    this.#heard.delete(run);
    if (this.#own.size > 0) return;
    clearInterval(this.#ticking);
    this.#ticking = undefined;
  }

  #hear(states: readonly RunProgress[]): void {
    const at = performance.now();
    for (const state of states) this.#heard.set(state.run, { at, state });
    // The message of a run's end may have been lost.
    for (const [run, heard] of this.#heard)
      if (at - heard.at >= oldAfterMs) this.#heard.delete(run);
    this.#pass(states);
  }

  #note(own: Own, event: RunEvent): void {
    if (event.event === 'progress') own.meter.update(event, Date.now());
    if (event.event === 'file') own.path = event.path;
  }

  #stateOf({ request, meter, path }: Own): RunProgress | undefined {
    const view = meter.view(Date.now());
    const shown = path === undefined ? undefined : this.#parts.redact(path);
    return view && runProgress(request, view, shown);
  }

  #look(): void {
    // A message that is lost is followed by another.
    void this.#parts.signals.send('look', {}).catch(() => {});
  }

  #isLookedAt(): void {
    const wasLookedAt = performance.now() < this.#lookedUntil;
    this.#lookedUntil = performance.now() + lookedForMs;
    if (!wasLookedAt) this.#send();
  }

  #tick(): void {
    this.#ticks++;
    const isLookedAt = performance.now() < this.#lookedUntil;
    if (isLookedAt || this.#ticks % ticksUnwatched === 0) this.#send();
  }

  #send(): void {
    const states = [...this.#own.values()].flatMap((own) => this.#stateOf(own) ?? []);
    if (states.length === 0) return;
    this.#pass(states);
    // The next one comes soon; an outage is reported elsewhere.
    void this.#parts.stream.send(states).catch(() => {});
  }

  #pass(states: readonly RunProgress[]): void {
    for (const watcher of this.#watchers) watcher(states);
  }
}
