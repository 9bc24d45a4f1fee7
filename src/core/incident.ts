/** Incidents: what needs somebody, from when it began to when it ended, with what was done about it. Pure. */
import type { NoticeWord } from './notify.js';

export type Cause = Exclude<NoticeWord, 'recovered'>;

/** One step of an incident, for whoever asks a month later. */
export interface IncidentStep {
  /** Ms since the epoch. */
  readonly at: number;
  readonly step: 'opened' | 'again' | 'told' | 'reminded' | 'acknowledged' | 'closed';
  /** The run that it is about. */
  readonly run?: string;
  /** With `told` and `reminded`: the channel. */
  readonly channel?: string;
  /** With `acknowledged`: who. */
  readonly by?: string;
  /** With `closed`: why. */
  readonly why?: string;
}

/** Of what of an incident a channel was notified. Ms since the epoch. */
export interface Told {
  readonly at: number;
  /** The message that said so. */
  readonly message?: string;
  readonly reminders?: number;
  /** It was notified of the end, too. */
  readonly recovered?: number;
  /** It is not notified: the incident ended while it was silenced. */
  readonly dropped?: true;
}

/** An incident as the store keeps it. Moments are ms since the epoch. */
export interface Incident {
  readonly id: string;
  /** What it is about: no two open incidents have the same. */
  readonly key: string;
  readonly cause: Cause;
  readonly job?: string;
  /** What the job is for. */
  readonly description?: string;
  /** The remote of the job's runs. */
  readonly remote?: string;
  /** The kind of the error: `network`, `auth` … */
  readonly kind?: string;
  readonly openedAt: number;
  /** When its cause occurred last. */
  readonly lastAt: number;
  /** How often it occurred. */
  readonly count: number;
  /** When it occurred, the newest 20. */
  readonly times: readonly number[];
  /** The newest run with the cause. */
  readonly run?: string;
  readonly message: string;
  readonly hint?: string;
  /** Of its newest run, at most 10, and how many more there are. */
  readonly failures?: readonly { readonly path: string; readonly message: string }[];
  readonly failuresOmitted?: number;
  /** When the job last succeeded before it. */
  readonly lastSuccess?: number;
  readonly acknowledged?: { readonly at: number; readonly by: string };
  readonly closedAt?: number;
  /** Why it ended: a run's success, or in words. */
  readonly closedBy?: string;
  readonly told: Readonly<Record<string, Told>>;
  /** The first, and the newest. */
  readonly steps: readonly IncidentStep[];
}

/** What is silenced, until when and why. Moments are ms since the epoch. */
export interface Silence {
  readonly id: string;
  readonly scope: 'job' | 'remote' | 'all';
  /** The job's or the remote's name; with `all` absent. */
  readonly name?: string;
  readonly since: number;
  readonly until: number;
  readonly by: string;
  readonly reason?: string;
  /** When somebody ended it before its time. */
  readonly endedAt?: number;
}

/** Whether a silence holds at a moment. */
export function isSilent({ until, endedAt }: Silence, now: number): boolean {
  return now < (endedAt ?? until);
}

/** The silence that keeps an incident quiet at a moment; of several the one that lasts longest. `remotesOf`: those of a job. */
export function silenceOf(
  incident: Pick<Incident, 'job' | 'remote'>,
  silences: readonly Silence[],
  remotesOf: (job: string) => readonly string[],
  now: number,
): Silence | undefined {
  const { job, remote } = incident;
  const remotes = [
    ...(remote === undefined ? [] : [remote]),
    ...(job === undefined ? [] : remotesOf(job)),
  ];
  return silences
    .filter((one) => isSilent(one, now))
    .filter(({ scope, name = '' }) =>
      scope === 'all' ? true : scope === 'job' ? name === job : remotes.includes(name),
    )
    .sort((one, other) => other.until - one.until)[0];
}
