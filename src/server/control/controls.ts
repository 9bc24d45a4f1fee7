/**
 * What can be asked of a daemon. daemon-controls.ts answers it in the daemon itself; client.ts offers
 * the same to other processes, over the socket that server.ts serves.
 */
import { FerryError } from '../../core/errors.js';
import type { Report } from '../../core/events.js';
import type { IncidentView } from '../../core/incident-view.js';
import type { KnownWorker } from '../../core/known-worker.js';
import type { PauseDetails, PauseScope, PauseView } from '../../core/pause.js';
import type { JobSlots, JobView, RunRequest, RunView, SkippedSlot } from '../../core/request.js';
import { escapeText } from '../../core/text.js';

export interface DaemonStatus {
  readonly pid: number;
  readonly version: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly roles: readonly string[];
  readonly queue: {
    readonly kind: 'embedded' | 'redis' | 'postgres';
    readonly state: 'up' | 'down';
    /** Why it is down. */
    readonly message?: string;
  };
  readonly config: {
    readonly file: string;
    /** ISO 8601, UTC. */
    readonly loadedAt: string;
    /** Why the current file was rejected; absent if it is the one in use. */
    readonly error?: string;
  };
  readonly jobs: readonly JobView[];
  /** Where it answers over TCP, `http://127.0.0.1:7022`; absent: nowhere. */
  readonly api?: string;
  /** The pauses that hold, whether or not they hold a job. Absent in answers of earlier versions. */
  readonly pauses?: readonly PauseView[];
  /** The processes on the queue, this one too; absent while the queue is out of reach, and in answers of earlier versions. */
  readonly workers?: readonly KnownWorker[];
  /** The incidents that are open, the newest first; absent: none, or not known while the queue is out of reach. */
  readonly incidents?: readonly IncidentView[];
  /** What an operator should know: processes that differ, jobs that nobody takes. Absent: nothing. */
  readonly warnings?: readonly string[];
}

/** The run that serves a request; `joined` if it had been asked for before. */
export interface Enqueued {
  readonly run: string;
  readonly joined: boolean;
  /** While the job's window is closed: when it opens, ISO 8601, UTC. */
  readonly opensAt?: string;
}

export interface RunList {
  readonly runs: readonly RunView[];
  readonly skipped: readonly SkippedSlot[];
  /** How many runs that changed nothing are left out, back to the oldest run listed; absent: none. */
  readonly hidden?: number;
}

export interface NextSlots {
  /** What the files of jobs.yml looked like when the daemon read them: slots of other files are no answer. */
  readonly filesSeen: string;
  readonly jobs: readonly JobSlots[];
}

interface ResumeChoices {
  /** Who resumes: `user@host`. */
  readonly by?: string;
  /** Whether each job that may run again makes up for its latest slot since it was paused. */
  readonly catchUp?: boolean;
}

export interface Resumed {
  /** Whether there was such a pause. */
  readonly wasPaused: boolean;
  /** Of one job: what still keeps its runs from starting. */
  readonly pause?: PauseView;
  /** Of all jobs: the pauses of jobs and remotes that go on. */
  readonly others?: readonly PauseView[];
  /** The runs that make up for slots. */
  readonly caughtUp: readonly {
    readonly job: string;
    readonly run: string;
    readonly slot: string;
  }[];
}

/**
 * All errors are FerryErrors: `noSuchJob` for an unknown job, `noSuchRun` for an unknown run,
 * `network` while the queue is out of reach.
 */
export interface Controls {
  status(): Promise<DaemonStatus>;
  /** The latest runs and skipped slots, at most `limit` of each; of every job if none is named. `idle`: also runs that changed nothing. */
  runs(job: string | undefined, limit: number, idle: boolean): Promise<RunList>;
  /** One run as `runs` lists it, however old it is. */
  view(run: string): Promise<RunView>;
  /** The next slots of these jobs, unknown ones left out; of every job with a schedule if none is named. */
  next(jobs: readonly string[], signal: AbortSignal): Promise<NextSlots>;
  /** The id of the run that a text names: an id, a unique beginning of one, `latest`, or a job's name. */
  find(name: string): Promise<string>;
  /** Resolves once the request is safe in the queue. */
  enqueue(job: string): Promise<Enqueued>;
  /** Resolves with the report of the run's last attempt, however long that takes. */
  outcome(run: string, signal: AbortSignal): Promise<Report>;
  /** Enqueues the job of an ended run again, as a new run. */
  rerun(run: string): Promise<Enqueued>;
  /** Resolves with the state in which the run was asked to stop; one that has ended stays as it is. */
  cancel(run: string): Promise<{ readonly was: 'waiting' | 'active' | 'ended' }>;
  /** Lets no run of these jobs start until `resume`, or until it ends by itself. */
  pause(scope: PauseScope, details: PauseDetails): Promise<void>;
  resume(scope: PauseScope, choices: ResumeChoices): Promise<Resumed>;
  /**
   * Takes one of `count` permits of that name for a run by hand, until the signal is aborted or the
   * connection ends; yields a line once it is granted, and goes on. It waits for a login; a job that
   * runs already is `busy`.
   */
  permit(name: string, count: number, signal: AbortSignal): AsyncIterable<string>;
  /** The run's events as lines of JSON without their line ends; with `follow` until the run ends. */
  log(run: string, follow: boolean, signal: AbortSignal): AsyncIterable<string>;
}

/** Who asks for a run, and under which id it is a run of its own; without one it may join a run that has not begun. */
export interface Asked {
  readonly by: string;
  readonly run?: string | undefined;
  /** It is to plan, and to change nothing. */
  readonly dryRun?: true | undefined;
  /** The refused run whose plan it is to carry out. */
  readonly approves?: RunRequest['approves'];
}

/** What a daemon answers on its socket: beside what commands ask for, what probes do. */
export interface ServedControls extends Controls {
  /** Requests a run for a caller of the API. Resolves once the request is safe in the queue. */
  request(job: string, asked: Asked): Promise<Enqueued>;
  /** The job of a run that has ended. */
  jobToRerun(run: string): Promise<string>;
  /** Whether the queue answers, as far as is known: nobody is asked and nothing is read. */
  queue(): DaemonStatus['queue'];
}

/** The hint of an error that interrupts a request: nothing that was acknowledged is lost. */
export const acknowledgedHint =
  'what it had acknowledged is in its queue; once it runs again, `ferryline runs` shows it';

/** The code of the errors below; the API answers them with 404. */
export const unknownName = 'UNKNOWN';

/** The error for a job that is not in jobs.yml. `names`: the jobs that are, if they are known. */
export function noSuchJob(job: string, names: Iterable<string> = []): FerryError {
  const list = [...names].join(', ');
  return new FerryError('config', `there is no job "${escapeText(job)}"`, {
    code: unknownName,
    hint: list === '' ? '`ferryline status` lists the jobs' : `the jobs are ${list}`,
  });
}

/** The error for a remote that is not in jobs.yml. `names`: the remotes that are, if they are known. */
export function noSuchRemote(remote: string, names: Iterable<string> = []): FerryError {
  const list = [...names].join(', ');
  return new FerryError('config', `there is no remote "${escapeText(remote)}"`, {
    code: unknownName,
    ...(list === '' ? {} : { hint: `the remotes are ${list}` }),
  });
}

/** The error for a run that is neither in the queue nor among the reports kept. */
export function noSuchRun(run: string): FerryError {
  return new FerryError('config', `there is no run "${escapeText(run)}"`, {
    code: unknownName,
    hint: '`ferryline runs` lists the known ones; a job keeps as many as its `history` says',
  });
}

/** The error for a text that several runs begin with. */
export function severalRuns(text: string, runs: readonly string[]): FerryError {
  const shown = [...runs].sort().reverse().slice(0, 5).map(escapeText).join(', ');
  return new FerryError('config', `${runs.length} runs begin with "${escapeText(text)}"`, {
    code: unknownName,
    hint: `give more of the id: ${shown}${runs.length > 5 ? ' …' : ''}`,
  });
}
