/** One case of the table: its contenders run in turn, and no figure counts whose result is not right. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Case, ours, type Peer } from './cases.js';
import { type Contender, type Task, writeSettings } from './contenders.js';
import { startLine } from './delay.js';
import { destinationOf } from './destination.js';
import { measure } from './measure.js';
import { versionOf } from './packages.js';
import type { Result } from './report.js';
import type { Server } from './server.js';
import { makeWork, scaled } from './work.js';

/** Seconds after which a contender is stopped. */
export const patience = 150;
/** A peer that took so long, and so many times as long as ferryline, has lost in one run. */
export const tooSlow = { seconds: 10, times: 3 };

export interface CaseOptions {
  readonly contenders: readonly Contender[];
  readonly runs: number | undefined;
  readonly scale: number;
}

/** Runs one case; `root` is the benchmark's temporary folder, which the server serves too. */
export async function runCase(
  one: Case,
  server: Server,
  root: string,
  options: CaseOptions,
  signal: AbortSignal,
): Promise<readonly Result[]> {
  const work = join(root, one.work.name);
  if (!existsSync(work)) makeWork(scaled(one.work, options.scale), work);
  const [settings, to] = [join(root, `${one.name}-settings`), join(root, 'to')];
  mkdirSync(settings);
  const task: Task = {
    up: one.operation !== 'pull',
    mirror: one.operation === 'mirror',
    from: work,
    to,
    settings,
  };
  const line =
    one.roundTrip === undefined ? undefined : await startLine(server.port, one.roundTrip);
  try {
    writeSettings(one, task, server, line?.port ?? server.port, root);
    const env = {
      PATH: process.env.PATH ?? '',
      HOME: settings,
      LC_ALL: 'C.UTF-8',
    };
    // a state folder belongs to one jobs.yml
    const stateOf = (name: string) => ({ FERRYLINE_STATE_DIR: join(settings, `state-${name}`) });
    const destination = destinationOf(one.destination, work, to);
    const results = options.contenders
      .filter(({ name }) => isOurs(name) || one.peers.includes(name as Peer))
      .map((contender) => ({
        ...contender,
        title: titleOf(contender),
        runs: [] as Result['runs'][number][],
      }));
    const first = () => results.find(({ name }) => name === 'ferryline')?.runs[0]?.seconds;
    const runs = options.runs ?? 5;
    for (let run = 1; run <= runs; run++) {
      for (const contender of results) {
        if (hasLost(contender, first())) continue;
        destination.putBack();
        const command = contender.command(task);
        const measuring = {
          ...{ folder: settings, patience, signal },
          env: { ...env, ...stateOf(contender.name) },
        };
        if (destination.move !== undefined) {
          await measure(command, measuring);
          destination.move();
        }
        // What earlier runs left to be written to the disk is not this one's burden.
        execFileSync('sync');
        const measured = await measure(command, measuring);
        await server.idle();
        contender.runs.push(measured);
        const said = measured === undefined ? 'stopped' : `${measured.seconds.toFixed(2)} s`;
        console.error(`${one.name}, run ${run} of ${runs}: ${contender.name} ${said}`);
        const wrong = measured === undefined ? destination.spoilt() : destination.wrong();
        if (wrong !== undefined)
          throw new Error(`${one.name}: the result of ${contender.name} is wrong: ${wrong}`);
      }
    }
    return results;
  } finally {
    await line?.close();
    rmSync(to, { recursive: true, force: true });
  }
}

function titleOf({ title, program }: Contender): string {
  return program === undefined ? title : `${title} (${program} ${versionOf(program)})`;
}

function isOurs(name: string): boolean {
  return ours.some((it) => it === name);
}

/** Whether another run of this contender would tell nothing new; `first` is what ferryline took. */
function hasLost({ name, runs }: Result, first: number | undefined): boolean {
  if (runs.includes(undefined)) return true;
  if (isOurs(name) || first === undefined) return false;
  const seconds = runs[0]?.seconds ?? 0;
  return seconds > tooSlow.seconds && seconds > tooSlow.times * first;
}
