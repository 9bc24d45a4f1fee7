/** `ferryline __names KIND`: what a shell offers for an argument, one a line. Whatever is wrong, it offers less. */
import { namesOfRuns } from '../../state/reports.js';
import { readConfigIfAny } from '../config-file.js';
import type { Context } from '../context.js';
import { Output } from '../show/output.js';
import { findState } from '../state.js';

/** Runs offered: the newest. */
const runsOffered = 50;

/** `runs` are jobs, too: a job's name means its latest run. `places` are remotes with their colon. */
const kinds = ['jobs', 'remotes', 'places', 'runs'] as const;
type NamesKind = (typeof kinds)[number];

export async function names(kind: string, context: Context): Promise<number> {
  const unheard = quiet(context);
  const offers =
    kind === 'runs'
      ? [inFiles('jobs', unheard), runs(unheard)]
      : [inFiles(kind as NamesKind, unheard)];
  const found = await Promise.all(offers.map((offer) => offer.catch(() => [])));
  for (const name of found.flat()) context.output.data(name);
  return 0;
}

async function runs(context: Context): Promise<readonly string[]> {
  const known = await namesOfRuns(await findState(context, { adHoc: true }));
  const newest = known.map(({ run }) => run).sort();
  return ['latest', ...newest.reverse().slice(0, runsOffered)];
}

/** What jobs.yml has of a kind. */
async function inFiles(kind: NamesKind, context: Context): Promise<readonly string[]> {
  const config = await readConfigIfAny(context);
  if (config === undefined) return [];
  if (kind === 'jobs') return [...config.jobs.keys()];
  const remotes = [...config.remotes.keys(), ...config.groups.keys()];
  return kind === 'places' ? remotes.map((name) => `${name}:`) : remotes;
}

/** Without warnings: a person is in the middle of a line. */
function quiet(context: Context): Context {
  return { ...context, output: new Output({ json: false, verbosity: -1, color: false }, process) };
}
