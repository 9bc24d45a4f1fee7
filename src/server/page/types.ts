/** What the views read of the API's answers; docs/openapi.json has all of them. */

export type Outcome = 'succeeded' | 'incomplete' | 'failed' | 'refused' | 'cancelled';

export interface Pause {
  readonly scope: 'job' | 'remote' | 'all';
  readonly job?: string;
  readonly remote?: string;
  readonly since: string;
  readonly until?: string;
  readonly reason?: string;
  readonly by?: string;
}

export interface Files {
  readonly copied: number;
  readonly attrs: number;
  readonly deleted: number;
  readonly unchanged: number;
  readonly skipped: number;
  readonly failed: number;
}

export interface RunError {
  readonly kind: string;
  readonly message: string;
  readonly hint?: string;
  readonly path?: string;
}

export interface Run {
  readonly run: string;
  readonly job: string;
  readonly trigger: string;
  readonly state: 'waiting' | 'delayed' | 'active' | 'ended';
  readonly slot?: string;
  readonly outcome?: Outcome;
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly seconds?: number;
  readonly files?: Files;
  readonly bytes?: number;
  readonly attempt?: number;
  readonly worker?: string;
  readonly waitsFor?: string;
  readonly opensAt?: string;
  readonly by?: string;
  readonly failures?: number;
  readonly error?: RunError;
  readonly progress?: Progress;
}

export interface RunDetail extends Run {
  readonly operation?: string;
  readonly description?: string;
  readonly again?: boolean;
  readonly sessions?: number;
  readonly verified?: string;
  readonly notGuaranteed?: readonly string[];
  readonly targets?: readonly {
    readonly target: string;
    readonly outcome: Outcome;
    readonly seconds: number;
    readonly files: Files;
    readonly bytes: number;
    readonly failures: number;
    readonly error?: RunError;
  }[];
}

/** An event of a run's log, as `--json` prints it. */
export interface LogLine {
  readonly event: string;
  readonly time: string;
  readonly level?: string;
  readonly action?: string;
  readonly path?: string;
  readonly message?: string;
  readonly outcome?: Outcome;
  readonly kind?: string;
  readonly reason?: string;
  readonly text?: string;
  readonly remote?: string;
  readonly target?: string;
  readonly bytes?: number;
  readonly [other: string]: unknown;
}

export interface Failure {
  readonly path: string;
  readonly kind: string;
  readonly message: string;
  readonly target?: string;
}

export interface Progress {
  readonly phase: string;
  readonly scanned: number;
  readonly files: { readonly done: number; readonly total: number };
  readonly bytes: { readonly done: number; readonly total: number };
  readonly rate?: number;
  readonly secondsLeft?: number;
  readonly path?: string;
}

export interface JobStats {
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly medianSeconds?: number;
  readonly runs: readonly {
    readonly run: string;
    readonly outcome: Outcome;
    readonly startedAt: string;
    readonly seconds: number;
    readonly bytes: number;
    readonly files: number;
  }[];
}

export interface Job {
  readonly job: string;
  readonly description?: string;
  readonly operation: string;
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly paused: boolean;
  readonly pause?: Pause;
  readonly nextSlot?: string;
  readonly timezone?: string;
  readonly recent: readonly Outcome[];
  readonly window?: { readonly hours: string; readonly open: boolean; readonly changesAt?: string };
  readonly waiting: number;
  readonly active: readonly string[];
  readonly last?: { readonly run: string; readonly outcome: Outcome; readonly endedAt: string };
  readonly watch?: 'watching' | 'polling' | 'degraded';
  readonly whyDegraded?: string;
}

export interface Incident {
  readonly id: string;
  readonly cause: string;
  readonly state: 'open' | 'closed';
  readonly job?: string;
  readonly description?: string;
  readonly remote?: string;
  readonly kind?: string;
  readonly subject?: string;
  readonly message: string;
  readonly hint?: string;
  readonly run?: string;
  readonly count: number;
  readonly openedAt: string;
  readonly lastAt: string;
  readonly lastSuccess?: string;
  readonly acknowledged?: { readonly at: string; readonly by: string };
  readonly silenced?: { readonly until: string; readonly by: string; readonly reason?: string };
}

export interface WholeIncident extends Incident {
  readonly closedAt?: string;
  readonly closedBy?: string;
  readonly steps: readonly {
    readonly at: string;
    readonly step: string;
    readonly run?: string;
    readonly channel?: string;
    readonly by?: string;
    readonly why?: string;
  }[];
}

export interface Message {
  readonly id: string;
  readonly channel: string;
  readonly steps: readonly { readonly incident: string; readonly step: string }[];
  readonly madeAt: string;
  readonly state: 'waiting' | 'sent' | 'dead';
  readonly endedAt?: string;
  readonly tries?: number;
  readonly why?: string;
}

export interface NowAnswer {
  readonly time: string;
  readonly version: string;
  readonly startedAt: string;
  readonly queue: {
    readonly kind: string;
    readonly state: 'up' | 'down';
    readonly message?: string;
  };
  readonly config: { readonly file: string; readonly loadedAt: string; readonly error?: string };
  readonly warnings: readonly string[];
  readonly pauses: readonly Pause[];
  /** Those that are open; a server of an earlier version has none. */
  readonly incidents?: readonly Incident[];
  readonly jobs: number;
  readonly notSucceeded: readonly {
    readonly job: string;
    readonly run: string;
    readonly outcome: Outcome;
    readonly endedAt: string;
  }[];
  readonly active: readonly Run[];
  readonly waiting: number;
  readonly lastDay: {
    readonly since: string;
    readonly outcomes: Readonly<Record<Outcome, number>>;
    readonly didNotRun?: number;
    readonly movedNothing: readonly string[];
  };
  readonly next: readonly { readonly job: string; readonly slot: string }[];
  readonly asOf?: string;
}
