/** `ferryline runs [JOB|RUN]`: lists waiting and running runs first, then ended runs and skipped slots, newest first. */
import type { RunView, SkippedSlot } from '../../core/request.js';
import { runTime } from '../../core/run-id.js';
import { count, formatBytes, formatDuration, grouped, terminalSafe } from '../../core/text.js';
import { saysNoDaemon } from '../../server/control/client.js';
import { noSuchRun, type RunList } from '../../server/control/controls.js';
import { readReport } from '../../state/reports.js';
import type { Context } from '../context.js';
import { daemonIn } from '../daemon-client.js';
import { keptRuns, viewOf } from '../kept-runs.js';
import { keptRunNamed, runNamed } from '../run-name.js';
import { localTime, tableLines } from '../show/table.js';
import { findState } from '../state.js';

export interface RunsFlags {
  readonly limit?: number;
  readonly idle?: boolean;
}

const defaultLimit = 20;

export async function runs(
  name: string | undefined,
  { limit = defaultLimit, idle = false }: RunsFlags,
  context: Context,
): Promise<number> {
  const { output } = context;
  const list = await listed(name, { limit, idle }, context);
  const found = inOrder(list).slice(0, limit);
  const { hidden = 0 } = list;
  const now = new Date();
  if (output.json) {
    const time = now.toISOString();
    for (const item of found) output.record(eventOf(item, time));
    if (hidden > 0) output.record({ event: 'idle-runs', time, hidden });
    return 0;
  }
  if (found.length === 0 && hidden === 0) {
    output.note(name === undefined ? 'no runs' : `no runs of ${name}`);
  } else if (found.length > 0) {
    for (const line of runLines(found, now)) output.data(line);
  }
  if (hidden > 0) {
    const runs = `${count(hidden, 'run')} that changed nothing`;
    const front = found.length === 0 ? '' : 'and ';
    output.note(`${front}${runs}; --idle shows ${hidden === 1 ? 'it' : 'them'}`);
  }
  return 0;
}

/** The runs that the daemon lists; without a daemon, the saved reports. */
async function listed(
  name: string | undefined,
  { limit, idle }: Required<RunsFlags>,
  context: Context,
): Promise<RunList> {
  const state = await findState(context, { adHoc: true });
  const isRun = name !== undefined && namesRun(name);
  try {
    const controls = await daemonIn(state, context);
    if (!isRun) return await controls.runs(name, limit, idle);
    return alone(await controls.view(await runNamed(name, controls)));
  } catch (thrown) {
    if (!saysNoDaemon(thrown)) throw thrown;
    context.output.note('no daemon runs; only runs that have ended are listed');
    if (!isRun) return keptRuns(state, name, limit, idle);
    return alone(await keptRun(await keptRunNamed(name, state), state));
  }
}

/** Whether a text names a run; the names of jobs begin with a letter. */
function namesRun(text: string): boolean {
  return text === 'latest' || /^\d/.test(text);
}

function alone(run: RunView): RunList {
  return { runs: [run], skipped: [] };
}

/** A run whose report is kept. Errors: `noSuchRun`. */
async function keptRun(run: string, state: string): Promise<RunView> {
  const report = await readReport(state, run);
  if (report === undefined) throw noSuchRun(run);
  return viewOf(report);
}

type ListItem =
  | { readonly at: number; readonly run: RunView }
  | { readonly at: number; readonly skipped: SkippedSlot };

/** Sorts as listed. Pure. */
function inOrder({ runs: views, skipped: slots }: RunList): ListItem[] {
  const items: ListItem[] = [
    ...views.map((run) => ({ at: timeOf(run), run })),
    ...slots.map((skipped) => ({ at: Date.parse(skipped.slot), skipped })),
  ];
  const isOver = (item: ListItem) => !('run' in item) || item.run.state === 'ended';
  return items.sort((a, b) => Number(isOver(a)) - Number(isOver(b)) || b.at - a.at);
}

/** When the run started or, if it is waiting, was requested. */
function timeOf({ run, report }: RunView): number {
  return (report === undefined ? runTime(run) : Date.parse(report.startedAt)) ?? 0;
}

function eventOf(item: ListItem, time: string): object {
  if ('run' in item) return { event: 'run-view', time, ...item.run };
  return { event: 'slot', time, end: 'skipped', ...item.skipped };
}

const head = ['time', 'run', 'job', 'trigger', 'outcome', 'files', 'bytes', 'took', ''];

/** The lines for people. Pure. */
function runLines(items: readonly ListItem[], now: Date): string[] {
  const rows = items.map((item) => {
    const when = localTime(new Date(item.at).toISOString(), now);
    if ('run' in item) return [when, ...runCells(item.run)];
    const { job } = item.skipped;
    return [when, '-', job, 'schedule', 'skipped', '', '', '', whyOf(item.skipped, now)];
  });
  return tableLines([head, ...rows]);
}

/** Why a slot was skipped; of several also how many they are. */
function whyOf({ why, from, to, count: slots }: SkippedSlot, now: Date): string {
  if (from === undefined || to === undefined || slots === undefined) return terminalSafe(why);
  const span = `from ${localTime(from, now)} to ${localTime(to, now)}`;
  return `${grouped(slots)} slots ${span} were missed: ${terminalSafe(why)}`;
}

/** How far a run is that is being carried out; nothing of another. */
function progressCells({ progress }: RunView): string[] {
  if (progress === undefined) return [];
  const { files, bytes, secondsLeft } = progress;
  const notes: string[] = [];
  const { done, total } = bytes.total > 0 ? bytes : files;
  if (total > 0) notes.push(`${Math.floor((100 * Math.min(done, total)) / total)} %`);
  if (secondsLeft !== undefined) notes.push(`${formatDuration(secondsLeft * 1000)} left`);
  return [grouped(files.done), formatBytes(bytes.done), '', notes.join(', ')];
}

function runCells(view: RunView): string[] {
  const { run, job, trigger, slot, state, outcome, report, waitsFor } = view;
  const waits = waitsFor === undefined ? states[state] : `waiting (${waitText(waitsFor)})`;
  const what = report?.dryRun === true ? 'dry run' : trigger;
  const front = [run, job, what, outcome ?? waits];
  if (report === undefined) return [...front, ...progressCells(view)];
  const { from, to } = report;
  const { files, bytes, seconds, startedAt, error } = report;
  const notes: string[] = [];
  if (from !== undefined && to !== undefined) notes.push(terminalSafe(`${from} -> ${to}`));
  const late = slot === undefined ? 0 : Date.parse(startedAt) - Date.parse(slot);
  if (late >= 1000) notes.push(`late by ${formatDuration(late)}`);
  if (report.stoppedBy !== undefined) notes.push(`${report.stoppedBy} ended`);
  else if (error !== undefined && error.kind !== outcome) notes.push(error.kind);
  return [
    ...front,
    grouped(files.copied + (files.renamed ?? 0) + files.attrs + files.deleted),
    formatBytes(bytes),
    formatDuration(seconds * 1000),
    notes.join(', '),
  ];
}

/** What a run waits for, in words. */
function waitText(waitsFor: string): string {
  if (waitsFor === 'lock') return 'a run by hand';
  if (waitsFor.startsWith('job-')) return 'the run before';
  return waitsFor.replace(/^remote-/, 'a login on ');
}

/** The state of a run without an outcome, in words; a `delayed` one waits for its next attempt. */
const states: Readonly<Record<RunView['state'], string>> = {
  waiting: 'waiting',
  delayed: 'waiting (retry)',
  active: 'running',
  ended: 'ended',
};
