/** From measurements to text: medians, ratios, aims, and the sections of BENCHMARKS.md. Pure. */
import type { Aim, Case, ContenderName } from './cases.js';
import type { Measured } from './measure.js';

/** One contender's runs of a case; `undefined` for a run that had to be stopped. */
export interface Result {
  readonly name: ContenderName;
  readonly title: string;
  readonly runs: readonly (Measured | undefined)[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}

interface Figures {
  readonly name: ContenderName;
  readonly title: string;
  readonly seconds: number;
  readonly least: number;
  readonly greatest: number;
  readonly cpu: number;
  /** The greatest of all runs. */
  readonly mebibytes: number;
}

function figuresOf({ name, title, runs }: Result): Figures | undefined {
  const done = runs.filter((run) => run !== undefined);
  if (done.length === 0 || done.length < runs.length) return undefined;
  const seconds = done.map((run) => run.seconds);
  return {
    name,
    title,
    seconds: median(seconds),
    least: Math.min(...seconds),
    greatest: Math.max(...seconds),
    cpu: median(done.map(({ cpu }) => cpu)),
    mebibytes: Math.max(...done.map(({ mebibytes }) => mebibytes)),
  };
}

/** One case's results as Markdown: a table, the ratios to the fastest peers, the aims. */
export function caseText(one: Case, results: readonly Result[], patience: number): string {
  const all = results.map((result) => figuresOf(result));
  const ours = all.find((it) => it?.name === 'ferryline');
  const rows = results.map(({ title }, i) => {
    const it = all[i];
    if (it === undefined) return `| ${title} | stopped after ${patience} s | | | | |`;
    const cells = [
      it.title,
      `**${time(it.seconds)}**`,
      `${time(it.least)}–${time(it.greatest)}`,
      ours === undefined || it === ours ? '' : times(it.seconds / ours.seconds),
      it.cpu.toFixed(2),
      `${Math.round(it.mebibytes)} MiB`,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '| | median, s | min–max | ferryline is | CPU, s | peak memory |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
    ...(ours === undefined
      ? []
      : [
          ...fastest('peer', all, ours),
          ...fastest(
            'SFTP peer',
            all.filter((it) => it?.name !== 'rsync'),
            ours,
          ),
          ...(one.aims ?? []).map((aim) => `- ${aimText(aim, ours, results, patience)}`),
        ]),
  ].join('\n');
}

function fastest(what: string, all: readonly (Figures | undefined)[], ours: Figures): string[] {
  const [first] = all
    .filter((it) => it !== undefined)
    .filter((it) => it !== ours)
    .sort((a, b) => a.seconds - b.seconds);
  if (first === undefined) return [];
  return [
    `- fastest ${what}: ${first.title}; ferryline is ${times(first.seconds / ours.seconds)} as fast`,
  ];
}

/** A peer that was stopped counts with the time it was given, which is less than it needs. */
function aimText(aim: Aim, ours: Figures, results: readonly Result[], patience: number): string {
  if ('mebibytes' in aim) {
    const met = ours.mebibytes <= aim.mebibytes;
    return `aim: at most ${aim.mebibytes} MiB: ${verdict(met)} (${Math.round(ours.mebibytes)} MiB)`;
  }
  const theirs = results
    .filter(({ name }) => aim.than.includes(name))
    .map((result) => figuresOf(result)?.seconds ?? patience);
  const ratio = Math.min(...theirs) / ours.seconds;
  const named = aim.than.length === 1 ? aim.than[0] : `the fastest of ${aim.than.join(', ')}`;
  if (theirs.length === 0) return `aim: at least ${times(aim.ratio)} as fast as ${named}: not run`;
  return `aim: at least ${times(aim.ratio)} as fast as ${named}: ${verdict(ratio >= aim.ratio)} (${times(ratio)})`;
}

const verdict = (met: boolean) => (met ? 'met' : '**missed**');
const time = (seconds: number) => seconds.toFixed(seconds < 10 ? 2 : 1);
const times = (ratio: number) => `${ratio.toFixed(ratio < 10 ? 2 : 0)}×`;

/**
 * A document with one part replaced: what stands between `<!-- NAME -->` and `<!-- /NAME -->`, added
 * at the end when it isn't there. All else stays as it is, so that notes can stand in between.
 */
export function withPart(document: string, name: string, text: string): string {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const part = `${open}\n${text.trim()}\n${close}`;
  const [start, end] = [document.indexOf(open), document.indexOf(close)];
  if (start >= 0 && end > start)
    return document.slice(0, start) + part + document.slice(end + close.length);
  const before = document.trimEnd();
  return `${before}${before === '' ? '' : '\n\n'}${part}\n`;
}
