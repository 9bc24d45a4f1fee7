/** A request for a run, as the queue stores it, and the views of it that `runs` and `status` list. Names only, never a secret or a host. */
import type { Emit, Operation, Outcome, Report, Trigger } from './events.js';
import type { PauseView } from './pause.js';
import type { Payload } from './payload.js';
import type { RunProgress } from './run-progress.js';

export interface RunRequest extends Payload {
  /** The run's id, made when it was requested. */
  readonly run: string;
  readonly job: string;
  readonly trigger: Trigger;
  /** The slot it was started for: ISO 8601, UTC. */
  readonly slot?: string;
  /** Who asked for it: `cli`, or the name of a token of the API. */
  readonly by?: string;
  /** It plans, and changes nothing. */
  readonly dryRun?: true;
  /** The refused run whose plan it carries out, and the digest of that plan: no other one is carried out. */
  readonly approves?: { readonly run: string; readonly digest: string };
  /** Folders below the source's root (`''` is the root): only these are scanned, and nothing is deleted. Absent: the whole tree. */
  readonly folders?: readonly string[];
  /** Whether it was cancelled after it had started. */
  readonly cancelled?: true;
  /** An attempt of it has begun, and stopped at the end of its window: it serves no further request. */
  readonly began?: true;
  /** The queue lost it, and it was added again: it may have run before. */
  readonly again?: true;
  /** Whose queue held it before jobs.yml named another worker (none: any worker's). */
  readonly movedFrom?: { readonly worker?: string };
  /** Why workers gave it back, by their id. */
  readonly declined?: Readonly<Record<string, string>>;
}

/** A run that a worker takes from the queue. */
export interface Assignment {
  readonly request: RunRequest;
  /** 1 for the first. */
  readonly attempt: number;
  /** The most attempts. */
  readonly attempts: number;
  /** Aborted when another worker may have taken over the run. */
  readonly lost: AbortSignal;
  /** Whether the run certainly belongs to this worker now; checked before every change. */
  isOurs(): boolean;
}

/** Listens to a run; `end` is called when it has ended. */
export type ListenToRun = (request: RunRequest) => { readonly emit: Emit; end(): Promise<void> };

/** What happens to a run after an attempt. */
export type AttemptEnd =
  | { readonly next: 'end'; readonly report: Report }
  /** Another attempt after a wait of `after` ms. */
  | { readonly next: 'retry'; readonly after: number; readonly why: string }
  /** Back to the queue, and not again before this moment (ms since the epoch), unless its job changes. */
  | { readonly next: 'wait'; readonly until: number; readonly began?: true }
  /** Back to the queue until what it needs may be free: a permit's name, or `lock`. It has not begun. */
  | { readonly next: 'park'; readonly waitsFor: string }
  /** Back to the queue, since this process is about to end. */
  | { readonly next: 'return' };

/** How a slot ended: with a run, whose report has its start, or without one. */
export type SlotEnd =
  | { readonly end: 'ran'; readonly run: string }
  /** `missed`: how many slots it was meant to run at, and did not, nor did another run instead. */
  | { readonly end: 'skipped'; readonly why: string; readonly missed?: number };

/** A run as `runs` lists it: waiting, running, or ended (then with its report). */
export interface RunView {
  readonly run: string;
  readonly job: string;
  readonly trigger: Trigger;
  readonly slot?: string;
  readonly state: 'waiting' | 'delayed' | 'active' | 'ended';
  readonly outcome?: Outcome;
  readonly report?: Report;
  /**
   * Of one that waits: `window`, the job's, which opens at `opensAt` (ISO 8601, UTC); `job-NAME`, another
   * run of the job; `remote-NAME`, a login there; `lock`, a run by hand.
   */
  readonly waitsFor?: string;
  readonly opensAt?: string;
  /** Of one that is being carried out: when this attempt began, ISO 8601, UTC. */
  readonly beganAt?: string;
  /** Of one that is being carried out: how far it is, as far as is known. */
  readonly progress?: RunProgress;
}

/** A slot without a run of its own, as `runs` lists it; or several that were missed together. */
export interface SkippedSlot {
  readonly job: string;
  /** ISO 8601, UTC; of several the last one. */
  readonly slot: string;
  /** The first of several, and how many they are. */
  readonly from?: string;
  readonly to?: string;
  readonly count?: number;
  readonly why: string;
}

/** How a job's folder is watched; empty for one that isn't. */
export interface WatchView {
  readonly watch?: 'watching' | 'polling' | 'degraded';
  /** The file system that is polled because it reports no changes. */
  readonly fileSystem?: string;
  /** Of a `degraded` watch: which changes it misses, and what to do. */
  readonly whyDegraded?: string;
}

/** When a job's schedule runs it next. */
export interface JobSlots {
  readonly job: string;
  readonly timezone: string;
  /** The hours of its window. */
  readonly window?: string;
  /** ISO 8601, UTC; none if there is none in the next five years. Absent: the job has no schedule. */
  readonly slots?: readonly string[];
}

/** A job as `status` lists it. */
export interface JobView extends WatchView {
  readonly job: string;
  readonly description?: string;
  readonly operation: Operation;
  readonly paused: boolean;
  /** Why: its own pause, that of a remote it uses, or that of all jobs; of several the one that ends last. */
  readonly pause?: PauseView;
  /** ISO 8601, UTC. */
  readonly nextSlot?: string;
  /** Its window, and whether it is open now; `changesAt`: when it closes or opens next, ISO 8601, UTC. */
  readonly window?: { readonly hours: string; readonly open: boolean; readonly changesAt?: string };
  readonly waiting: number;
  readonly active: readonly string[];
  readonly last?: { readonly run: string; readonly outcome: Outcome; readonly endedAt: string };
}
