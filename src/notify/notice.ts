/** What a message says, in words: for people at 3 am. What happened, since when, what to do. Pure. */
import type { Incident } from '../core/incident.js';
import { count, grouped, terminalSafe } from '../core/text.js';
import { zoneNamed } from '../core/zone.js';
import type { Message } from './messages.js';

/** One incident of a message. */
export interface NoticeItem {
  /** `FAILED nightly: network, archive`. */
  readonly title: string;
  /** Sentences: the cause, since when, what is next. */
  readonly lines: readonly string[];
  /** Paths that were not done. */
  readonly failures: readonly string[];
  /** Its page; undefined where jobs.yml has no `api.url`. */
  readonly link: string | undefined;
}

/** A message, before a channel's format is given to it. Every text is one line that is safe on a terminal. */
export interface Notice {
  readonly title: string;
  /** Whether all of it has ended. */
  readonly isGood: boolean;
  readonly items: readonly NoticeItem[];
  /** How many more there are than `items`. */
  readonly more: number;
}

export interface Wording {
  /** The zone in which times are written; undefined: the system's. */
  readonly timezone?: string | undefined;
  /** `api.url`. */
  readonly url?: string | undefined;
  /** Removes secrets. */
  readonly redact: (text: string) => string;
}

/** Incidents whose lines are written out; of more their titles. */
const mostWrittenOut = 5;
/** Characters of a text; the rest is cut off. */
const longestText = 600;

export function noticeOf({ incidents, steps }: Message, wording: Wording): Notice {
  const stepOf = (id: string) => steps.find(({ incident }) => incident === id)?.step ?? 'opened';
  const items = incidents.map((one, at) =>
    itemOf(one, stepOf(one.id), at < mostWrittenOut, wording),
  );
  const isGood = incidents.every(({ closedAt }) => closedAt !== undefined);
  const more = Math.max(0, steps.length - items.length);
  const [first] = items;
  const title =
    steps.length === 1
      ? (first?.title ?? 'ferryline')
      : titleOfMany(incidents, steps.length, isGood);
  return { title, isGood, items, more };
}

/** What a test of a channel sends. */
export function testNotice(channel: string, by: string): Notice {
  const lines = [`A test of the channel ${channel}, by ${terminalSafe(by)}. Nothing is wrong.`];
  const title = 'TEST ferryline';
  return { title, isGood: true, more: 0, items: [{ title, lines, failures: [], link: undefined }] };
}

function titleOfMany(incidents: readonly Incident[], number: number, isGood: boolean): string {
  const jobs = new Set(incidents.flatMap(({ job }) => job ?? []));
  const remotes = new Set(incidents.map(({ remote }) => remote ?? ''));
  const [remote = ''] = remotes.size === 1 ? remotes : [];
  const where = remote === '' ? '' : ` on ${remote}`;
  const what = isGood ? 'RECOVERED' : 'INCIDENTS';
  const kinds = [...new Set(incidents.map(({ kind, cause }) => kind ?? cause))].join(', ');
  const ofJobs = number > incidents.length ? '' : `, ${count(jobs.size, 'job')}`;
  return `${what} ${grouped(number)}${where}${ofJobs}: ${kinds}`;
}

function itemOf(incident: Incident, step: string, isWhole: boolean, wording: Wording): NoticeItem {
  const safe = (text: string) => cut(terminalSafe(wording.redact(text)));
  const { url } = wording;
  const link = url === undefined ? undefined : `${url}/#/incidents/${incident.id}`;
  const title = safe(titleOf(incident, step));
  if (!isWhole) return { title, lines: [], failures: [], link };
  const lines = linesOf(incident, wording).map(safe);
  const failures = (incident.failures ?? []).map(({ path, message }) =>
    safe(`${path}: ${message}`),
  );
  const more = incident.failuresOmitted ?? 0;
  if (more > 0) failures.push(`and ${count(more, 'more', 'more')}`);
  return { title, lines, failures, link };
}

function titleOf({ cause, job, key, kind, remote, closedAt }: Incident, step: string): string {
  const subject = job ?? key.replace(/^system\./, '');
  const about = [kind === cause ? undefined : kind, remote].filter((one) => one !== undefined);
  const rest = about.length === 0 ? '' : `: ${about.join(', ')}`;
  const word = closedAt === undefined ? cause.toUpperCase() : 'RECOVERED';
  const again = step.startsWith('reminded') && closedAt === undefined ? 'STILL ' : '';
  return `${again}${word} ${subject}${rest}`;
}

function linesOf(incident: Incident, { timezone }: Wording): string[] {
  const { id, job, description, message, hint, run, openedAt, closedAt, lastSuccess } = incident;
  const time = (ms: number) => moment(ms, timezone);
  const often = incident.count > 1 ? `, ${grouped(incident.count)} times` : '';
  const lines = [message];
  if (description !== undefined) lines.push(description);
  if (closedAt === undefined) {
    const last = lastSuccess === undefined ? '' : `; last success ${time(lastSuccess)}`;
    lines.push(`Since ${time(openedAt)}${often}${last}.`);
    if (hint !== undefined) lines.push(`Next: ${hint}.`);
    const logs = run === undefined ? '' : `ferryline logs ${run}; `;
    lines.push(`${logs}ferryline acknowledge ${id}`);
  } else
    lines.push(
      `From ${time(openedAt)} to ${time(closedAt)}${often}: ${incident.closedBy ?? 'it is over'}.`,
    );
  if (job !== undefined && closedAt === undefined && incident.cause === 'missed')
    lines.push(`ferryline enqueue ${job}`);
  return lines;
}

/** `2026-11-30 02:00 Europe/Berlin`. */
function moment(ms: number, timezone?: string): string {
  const zone = zoneNamed(timezone);
  return `${new Date(zone.wall(ms)).toISOString().slice(0, 16).replace('T', ' ')} ${zone.name}`;
}

function cut(text: string): string {
  return text.length <= longestText ? text : `${text.slice(0, longestText)}…`;
}
