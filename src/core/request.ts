/** A request for a run: what stands in the queue. Names only, never a secret or a host. */
import type { Emit, Operation, Outcome, Report, Trigger } from './events.js';

export interface RunRequest {
  /** The run's id, given out when it was asked for. */
  readonly run: string;
  readonly job: string;
  readonly trigger: Trigger;
  /** The slot it was started for: ISO 8601, UTC. */
  readonly slot?: string;
  /** Folders below the source's root (`''` is the root) that alone are looked at; nothing is deleted then. Absent: the whole tree. */
  readonly folders?: readonly string[];
  /** Somebody cancelled it after it had begun. */
  readonly cancelled?: true;
}

/** A run as it is handed out to be carried out. */
export interface Assignment {
  readonly request: RunRequest;
  /** 1 for the first. */
  readonly attempt: number;
  /** Attempts in all. */
  readonly attempts: number;
  /** Aborted when another worker may have taken the run over. */
  readonly lost: AbortSignal;
  /** Whether the run is surely this worker's at this moment; asked before anything is changed. */
  isOurs(): boolean;
}

/** Listens to a run; `end` is called when it has ended. */
export type ListenToRun = (request: RunRequest) => { readonly emit: Emit; end(): Promise<void> };

/** What becomes of a run that was handed out. */
export type Verdict =
  | { readonly next: 'end'; readonly report: Report }
  /** Another attempt after a wait, ms. */
  | { readonly next: 'retry'; readonly after: number; readonly why: string }
  /** Back to the queue: this process is about to end. */
  | { readonly next: 'return' };

/** How a slot ended: with a run (how late that began, its report tells), or without one. */
export type SlotEnd =
  | { readonly end: 'ran'; readonly run: string }
  | { readonly end: 'skipped'; readonly why: string };

/** A run as `runs` lists it: waiting, going on, or ended (then with its report). */
export interface RunView {
  readonly run: string;
  readonly job: string;
  readonly trigger: Trigger;
  readonly slot?: string;
  readonly state: 'waiting' | 'delayed' | 'active' | 'ended';
  readonly outcome?: Outcome;
  readonly report?: Report;
}

/** A slot that made no run of its own, as `runs` lists it. */
export interface SkippedSlot {
  readonly job: string;
  readonly slot: string;
  readonly why: string;
}

/** A job as `status` lists it. */
export interface JobView {
  readonly job: string;
  readonly operation: Operation;
  readonly paused: boolean;
  /** ISO 8601, UTC. */
  readonly nextSlot?: string;
  readonly watch?: 'watching' | 'degraded';
  readonly waiting: number;
  readonly active: readonly string[];
  readonly last?: { readonly run: string; readonly outcome: Outcome; readonly endedAt: string };
}
