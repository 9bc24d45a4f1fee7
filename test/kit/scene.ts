/**
 * A scene is what most tests through the command line work on: a working folder with jobs.yml and
 * `data/`, and a folder of its own on a server.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { markPath } from '../../src/workers/run/remembered/first-contact.js';
import { giveTo, serverAccount } from './account.js';
import {
  ferryline,
  type JsonEvent,
  type Result,
  type RunOptions,
  writeJobs,
} from './daemons/cli.js';
import { temporaryFolder } from './files/temporary.js';
import { type Tree, writeTree } from './files/tree.js';

/** A server as the kit's start functions return it. */
export interface Server {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly keyFile: string;
  readonly knownHostsFile: string;
  /** The served folder as the server names it. */
  readonly root: string;
  /** The same folder here, where it has another name. */
  readonly folder?: string;
}

/** A server as a remote of jobs.yml. */
export function remoteIn(server: Server, changes: object = {}): object {
  const { host, port, username, keyFile, knownHostsFile, root } = server;
  return {
    ...{ host, port, username, auth: { key: keyFile }, knownHosts: knownHostsFile, root },
    ...(process.env.FERRYLINE_TEST_TRANSPORT === undefined
      ? {}
      : { transport: process.env.FERRYLINE_TEST_TRANSPORT }),
    ...changes,
  };
}

export interface Scene {
  /** The working folder. */
  readonly cwd: string;
  /** The test's own folder below the server's root; it does not exist at first. */
  readonly place: string;
  /** A path in `data/`, the local side. */
  here(path?: string): string;
  /** A path in this test's folder on the server, by its name on this machine. */
  there(path?: string): string;
  writeHere(tree: Tree, options?: { mtime?: number }): void;
  writeThere(tree: Tree, options?: { mtime?: number }): void;
  /**
   * Makes the job's destination one that it has mirrored to before, so that a run may delete there
   * (first contact). By default the destination is the test's folder on the server; another is given
   * as jobs.yml names it, with its path here.
   */
  mirrored(to?: { readonly label: string; readonly folder: string }): void;
  /** Writes jobs.yml: remote `archive`, job `job`, by default a mirror of `./data` to the server's folder. */
  jobs(job?: object, remote?: object): Promise<string>;
  /** Runs `ferryline ARGS…` in the working folder. */
  cli(args: readonly string[], options?: RunOptions): Promise<Result>;
  /** `ferryline run job --json FLAGS…`. */
  run(...flags: string[]): Promise<RunResult>;
}

interface RunResult extends Result {
  /** The last event. */
  readonly report: JsonEvent;
}

let scenes = 0;

/** Makes a fresh working folder, and names a fresh folder on the server. */
export async function openScene(server: Server): Promise<Scene> {
  const cwd = await temporaryFolder();
  const place = `scene-${scenes++}`;
  const served = server.folder ?? server.root;
  const here = (path = '') => join(cwd, 'data', path);
  const there = (path = '') => join(served, place, path);
  const cli = (args: readonly string[], options: RunOptions = {}) =>
    ferryline(args, { cwd, ...options });
  const jobs = (job: object = {}, remote: object = {}) =>
    writeJobs(cwd, {
      remotes: { archive: remoteIn(server, remote) },
      jobs: { job: { operation: 'mirror', from: './data', to: `archive:${place}`, ...job } },
    });
  await jobs();
  const mirrored: Scene['mirrored'] = (
    { label, folder } = { label: `archive:${place}`, folder: there() },
  ) => {
    const isNew = mkdirSync(folder, { recursive: true }) !== undefined;
    writeTree(folder, { [markPath({ name: 'job', to: { label } })]: '' });
    if (folder !== here()) giveTo(serverAccount(), isNew ? folder : join(folder, '.ferryline'));
  };
  return {
    cwd,
    place,
    here,
    there,
    writeHere: (tree, options) => writeTree(here(), tree, options),
    writeThere(tree, options) {
      mkdirSync(there(), { recursive: true });
      giveTo(serverAccount(), there());
      writeTree(there(), tree, options);
    },
    mirrored,
    jobs,
    cli,
    async run(...flags) {
      const result = await cli(['run', 'job', '--json', ...flags]);
      const report = result.events.at(-1);
      if (report?.event !== 'run')
        throw new Error(`no report came out (${result.code}):\n${result.stdout}${result.stderr}`);
      return { ...result, report };
    },
  };
}

/** Which of a scene's sides is the source: `up`, the local one; `down`, the server's. */
export type Way = 'up' | 'down';
export const ways: readonly Way[] = ['up', 'down'];

/** The scene's two sides as source and target of a job in one direction. */
export function turn(scene: Scene, way: Way) {
  const [source, target] = way === 'up' ? [scene.here, scene.there] : [scene.there, scene.here];
  return {
    source,
    target,
    writeSource: way === 'up' ? scene.writeHere : scene.writeThere,
    /** What the target holds from an earlier success, so that a mirror may delete there. */
    writeTarget: (tree: Tree, options?: { mtime?: number }) => {
      if (way === 'up') scene.writeThere(tree, options);
      else scene.writeHere(tree, options);
      scene.mirrored(way === 'up' ? undefined : { label: './data', folder: scene.here() });
    },
    jobs: (job: object = {}, remote: object = {}) =>
      scene.jobs(
        way === 'up' ? job : { from: `archive:${scene.place}`, to: './data', ...job },
        remote,
      ),
  };
}
