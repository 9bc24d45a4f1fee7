/** `ferryline status`: the daemon, its queue, and a line for each job. */
import type { IncidentView } from '../../core/incident-view.js';
import type { KnownWorker } from '../../core/known-worker.js';
import type { PauseView } from '../../core/pause.js';
import type { JobView } from '../../core/request.js';
import { formatDuration, terminalSafe } from '../../core/text.js';
import { zoneNamed } from '../../core/zone.js';
import { allRoles } from '../../daemon/roles.js';
import type { DaemonStatus } from '../../server/control/controls.js';
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';
import { scopeText } from '../pause-scopes.js';
import { localTime, offsetText, tableLines } from '../show/table.js';

export async function status(context: Context): Promise<number> {
  const { output } = context;
  const found = await (await daemonClient(context)).status();
  const now = new Date();
  if (output.json) output.record({ event: 'status', time: now.toISOString(), ...found });
  else for (const line of statusLines(found, now)) output.data(line);
  return 0;
}

/** Reasons of degraded watches that are shown: a used-up limit has one for each folder. */
const degradedShown = 5;

/** Open incidents that are shown: when a server is down there may be one for each job. */
const incidentsShown = 10;

/** The width that a line should fit in. */
const terminalColumns = 80;

/** The lines for people. Pure. */
export function statusLines(status: DaemonStatus, now: Date): string[] {
  const { pid, version, startedAt, roles, queue, config, jobs } = status;
  const age = formatDuration(Math.max(0, now.getTime() - Date.parse(startedAt)));
  const why = queue.message === undefined ? '' : `: ${terminalSafe(queue.message)}`;
  const lines = [
    `daemon  up for ${age}, process ${pid}, version ${version}`,
    `roles   ${roles.join(', ')}`,
    `queue   ${queue.kind}, ${queue.state}${why}`,
    `config  ${terminalSafe(config.file)}, read ${localTime(config.loadedAt, now)}`,
    `times   in ${zoneText(now)}`,
  ];
  if (config.error !== undefined) {
    lines.push('        the current file was rejected:');
    for (const line of config.error.split('\n')) lines.push(`        ${terminalSafe(line)}`);
  }
  for (const pause of status.pauses ?? []) lines.push(`paused  ${pauseText(pause, now)}`);
  for (const incident of (status.incidents ?? []).slice(0, incidentsShown))
    lines.push(`${incidentText(incident, now)}`);
  const more = (status.incidents ?? []).length - incidentsShown;
  if (more > 0) lines.push(`wrong   and ${more} more; --json has all`);
  lines.push(...degradedLines(jobs));
  for (const warning of status.warnings ?? []) lines.push(`warning ${terminalSafe(warning)}`);
  // An embedded queue has this process only.
  const workers = queue.kind === 'embedded' ? [] : workerLines(status.workers ?? [], now);
  return [...lines, '', ...workers, ...jobLines(jobs, now)];
}

/** `Europe/Berlin (UTC+01:00)`: the system's zone, in which times are shown. */
function zoneText(now: Date): string {
  const { name, wall } = zoneNamed();
  return name === 'UTC' ? name : `${name} (UTC${offsetText(wall(now.getTime()) - now.getTime())})`;
}

/** Why watches miss changes, and of which jobs: a line for each of the first few reasons. */
function degradedLines(jobs: readonly JobView[]): string[] {
  const byWhy = new Map<string, string[]>();
  for (const { job, whyDegraded: why } of jobs) {
    if (why === undefined) continue;
    const names = byWhy.get(why);
    if (names === undefined) byWhy.set(why, [job]);
    else names.push(job);
  }
  const lines = [...byWhy].map(([why, [first, ...more]]) => {
    const names = more.length === 0 ? `${first} is` : `${first} and ${more.length} more are`;
    return `watch   ${names} degraded: ${terminalSafe(why)}`;
  });
  if (lines.length <= degradedShown) return lines;
  const rest = `watch   and ${lines.length - degradedShown} more like these; --json has all`;
  return [...lines.slice(0, degradedShown), rest];
}

/** `wrong   failed nightly since 02:00, 3 times: no answer (i3f9a01c2d)`. */
function incidentText(incident: IncidentView, now: Date): string {
  const { id, cause, job, subject, openedAt, count, message, acknowledged, silenced } = incident;
  const often = count > 1 ? `, ${count} times` : '';
  const who =
    acknowledged === undefined ? '' : `; acknowledged by ${terminalSafe(acknowledged.by)}`;
  const quiet = silenced === undefined ? '' : `; silenced until ${localTime(silenced.until, now)}`;
  return `wrong   ${cause} ${terminalSafe(job ?? subject ?? '')} since ${localTime(openedAt, now)}${often}: ${terminalSafe(message)} (${id}${who}${quiet})`;
}

/** The processes on the queue, one a line, and an empty line after them. */
function workerLines(workers: readonly KnownWorker[], now: Date): string[] {
  if (workers.length === 0) return [];
  const rows = workers.map(({ host, pid, version, roles, names, runs, startedAt }) => [
    `${terminalSafe(host)}:${pid}`,
    version,
    roles.length === allRoles.length ? 'all' : roles.join(','),
    names.length === 0 ? '-' : names.join(','),
    String(runs.length),
    localTime(startedAt, now),
  ]);
  return [...tableLines([['process', 'version', 'roles', 'names', 'runs', 'since'], ...rows]), ''];
}

/** `remote archive until 14:00, since 09:12 by ann@web-1: disks are replaced`. */
function pauseText(pause: PauseView, now: Date): string {
  const { since, until, by, reason } = pause;
  const end = until === undefined ? '' : ` until ${localTime(until, now)}`;
  const who = by === undefined ? '' : ` by ${terminalSafe(by)}`;
  const why = reason === undefined ? '' : `: ${terminalSafe(reason)}`;
  return `${scopeText(pause)}${end}, since ${localTime(since, now)}${who}${why}`;
}

/** One line for each job; if that would be too long, each name has a line of its own, with the job's description. */
function jobLines(jobs: readonly JobView[], now: Date): string[] {
  if (jobs.length === 0) return ['no jobs'];
  const head = ['job', 'does', 'next', 'now', 'last'];
  const rows = jobs.map((view) => jobRow(view, now));
  const about = jobs.map(({ description = '' }) => terminalSafe(description));
  const one = about.every((text) => text === '')
    ? tableLines([head, ...rows])
    : tableLines([[...head, 'about'], ...rows.map((row, n) => [...row, about[n] ?? ''])]);
  if (one.every((line) => line.length <= terminalColumns)) return one;
  const rest = tableLines([head.slice(1), ...rows.map((row) => row.slice(1))]);
  return rows.flatMap(([name = ''], n) => [
    ...(n === 0 ? ['job', `  ${rest[0]}`] : []),
    about[n] === '' ? name : `${name}: ${about[n]}`,
    `  ${rest[n + 1]}`,
  ]);
}

function jobRow(view: JobView, now: Date): string[] {
  const { last } = view;
  return [
    view.job,
    view.operation,
    view.nextSlot === undefined ? '-' : localTime(view.nextSlot, now),
    stateOf(view),
    last === undefined ? '-' : `${last.outcome} ${localTime(last.endedAt, now)}`,
  ];
}

/** The states that matter most; a watch without problems is shown only if there is nothing else. */
function stateOf(view: JobView): string {
  const { active, paused, waiting, watch, fileSystem, window } = view;
  const states: string[] = [];
  if (active.length > 0) states.push('running');
  if (paused) states.push('paused');
  else if (waiting > 0 && active.length === 0)
    states.push(window?.open === false ? 'waiting (window)' : 'waiting');
  if (watch === 'degraded' || (watch !== undefined && states.length === 0))
    states.push(fileSystem === undefined ? watch : `${watch} (${fileSystem})`);
  return states.length === 0 ? '-' : states.join(', ');
}
