/** From measurements to text: medians, ratios, aims, and the sections of BENCHMARKS.md. Pure. */
import { type Aim, type Case, type ContenderName, ours as oursNames } from './cases.js';
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
  readonly megabytes: number;
  /** How many there were. */
  readonly runs: number;
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
    megabytes: Math.max(...done.map(({ megabytes }) => megabytes)),
    runs: done.length,
  };
}

/** One case's results as Markdown: a table, the ratios to the fastest peers, the aims. */
export function caseText(one: Case, results: readonly Result[], patience: number): string {
  const all = results.map((result) => figuresOf(result));
  const ours = all.find((it) => it?.name === 'ferryline');
  const rows = results.map(({ title }, i) => {
    const it = all[i];
    if (it === undefined) return `| ${title} | stopped after ${patience} s | | | | | 1 |`;
    const cells = [
      it.title,
      `**${time(it.seconds)}**`,
      `${time(it.least)}–${time(it.greatest)}`,
      ours === undefined || it === ours ? '' : times(it.seconds / ours.seconds),
      it.cpu.toFixed(2),
      `${Math.round(it.megabytes)} MB`,
      `${it.runs}`,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '| | median, s | min–max | ferryline is | CPU, s | peak memory | runs |',
    '|---|---|---|---|---|---|---|',
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
          ...one.aims.map((aim) => `- ${aimText(aim, ours, results, patience)}`),
        ]),
  ].join('\n');
}

function fastest(what: string, all: readonly (Figures | undefined)[], ours: Figures): string[] {
  const [first] = all
    .filter((it) => it !== undefined)
    .filter(({ name }) => !oursNames.some((it) => it === name))
    .sort((a, b) => a.seconds - b.seconds);
  if (first === undefined) return [];
  return [
    `- fastest ${what}: ${first.title}; ferryline is ${times(first.seconds / ours.seconds)} as fast`,
  ];
}

function aimText(aim: Aim, ours: Figures, results: readonly Result[], patience: number): string {
  if ('megabytes' in aim) {
    const met = ours.megabytes <= aim.megabytes;
    return `aim: at most ${aim.megabytes} MB: ${verdict(met)} (${Math.round(ours.megabytes)} MB)`;
  }
  const figures = new Map(results.map((result) => [result.name, figuresOf(result)]));
  if ('cpuOf' in aim) {
    const theirs = figures.get(aim.cpuOf)?.cpu;
    const words = `aim: at most the CPU seconds of ${aim.cpuOf}`;
    if (theirs === undefined) return `${words}: not run`;
    return `${words}: ${verdict(ours.cpu <= theirs)} (${ours.cpu.toFixed(2)} to ${theirs.toFixed(2)})`;
  }
  const { ratio: wanted, than } = aim;
  // A peer that was stopped counts with the time it was given, which is less than it needs.
  const theirs = than
    .filter((name) => figures.has(name))
    .map((name) => figures.get(name)?.seconds ?? patience);
  const ratio = Math.min(...theirs) / ours.seconds;
  const named = than.length === 1 ? than[0] : `the fastest of ${than.join(', ')}`;
  const words =
    wanted < 1
      ? `aim: at most ${times(1 / wanted)} the time of ${named}`
      : `aim: at least ${times(wanted)} as fast as ${named}`;
  if (theirs.length === 0) return `${words}: not run`;
  const reached = wanted < 1 ? times(1 / ratio) : times(ratio);
  return `${words}: ${verdict(ratio >= wanted)} (${reached})`;
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
