/** Incidents, silences and messages as the API and commands show them: times are ISO 8601, UTC. Pure. */
import type { Incident, IncidentStep, Silence } from './incident.js';
import { isSilent } from './incident.js';
import { present } from './present.js';

export interface SilenceView {
  readonly id: string;
  readonly scope: 'job' | 'remote' | 'all';
  readonly name?: string;
  readonly since: string;
  readonly until: string;
  readonly by: string;
  readonly reason?: string;
  readonly endedAt?: string;
  readonly active: boolean;
}

export interface IncidentView
  extends Pick<
    Incident,
    | 'id'
    | 'cause'
    | 'job'
    | 'description'
    | 'remote'
    | 'kind'
    | 'count'
    | 'run'
    | 'message'
    | 'hint'
    | 'failures'
    | 'failuresOmitted'
    | 'closedBy'
  > {
  readonly state: 'open' | 'closed';
  /** Of one about the daemons: what. */
  readonly subject?: string;
  readonly openedAt: string;
  readonly lastAt: string;
  readonly closedAt?: string;
  readonly lastSuccess?: string;
  readonly acknowledged?: { readonly at: string; readonly by: string };
  readonly silenced?: SilenceView;
  readonly told: readonly {
    readonly channel: string;
    readonly at: string;
    readonly recoveredAt?: string;
  }[];
}

export interface StepView extends Omit<IncidentStep, 'at'> {
  readonly at: string;
}

export interface MessageView {
  readonly id: string;
  readonly channel: string;
  readonly steps: readonly { readonly incident: string; readonly step: string }[];
  readonly madeAt: string;
  readonly state: 'waiting' | 'sent' | 'dead';
  readonly endedAt?: string;
  /** Attempts that failed so far. */
  readonly tries?: number;
  /** Why it has not arrived. */
  readonly why?: string;
}

const iso = (ms: number) => new Date(ms).toISOString();
const isoOr = (ms: number | undefined) => (ms === undefined ? undefined : iso(ms));

export function viewOfSilence(silence: Silence, now: number): SilenceView {
  const { id, scope, name, since, until, by, reason, endedAt } = silence;
  return {
    ...{ id, scope, since: iso(since), until: iso(until), by, active: isSilent(silence, now) },
    ...present({ name, reason, endedAt: isoOr(endedAt) }),
  };
}

export function viewOfIncident(
  incident: Incident,
  silence: Silence | undefined,
  now: number,
): IncidentView {
  const { id, key, cause, job, description, remote, kind, count, run, message, hint } = incident;
  const { failures, failuresOmitted, closedBy, acknowledged, openedAt, lastAt } = incident;
  const told = Object.entries(incident.told).flatMap(([channel, { at, recovered, dropped }]) =>
    dropped === true
      ? []
      : [{ channel, at: iso(at), ...present({ recoveredAt: isoOr(recovered) }) }],
  );
  return {
    ...{ id, cause, state: incident.closedAt === undefined ? 'open' : 'closed', count, message },
    ...{ openedAt: iso(openedAt), lastAt: iso(lastAt), told },
    ...present({ job, description, remote, kind, run, hint, failures, failuresOmitted, closedBy }),
    ...present({
      subject: job === undefined ? key.replace(/^system\./, '') : undefined,
      closedAt: isoOr(incident.closedAt),
      lastSuccess: isoOr(incident.lastSuccess),
      acknowledged: acknowledged && { ...acknowledged, at: iso(acknowledged.at) },
      silenced: silence && viewOfSilence(silence, now),
    }),
  };
}

export function viewOfStep({ at, ...step }: IncidentStep): StepView {
  return { at: iso(at), ...step };
}
