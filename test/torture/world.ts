/** The place of a case: both sides on disk, servers without SSH before them, and the job between. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Report, RunEvent } from '../../src/core/events.js';
import type { Job, Location } from '../../src/core/job.js';
import type { Remote } from '../../src/core/remote.js';
import { SessionPool } from '../../src/endpoints/sftp/pool.js';
import { loadConfig } from '../../src/jobs/config/load.js';
import { runJob } from '../../src/workers/run/run-job.js';
import { context } from '../kit/loading.js';
import { connectDirectly } from '../kit/servers/direct.js';
import { type Asked, type Behaviour, hostileFolder } from '../kit/servers/hostile-folder.js';
import { allExtensions, type Case } from './case.js';
import { grow } from './disk.js';
import { waysOf } from './misbehaviour.js';

export type SideName = 'source' | 'destination';

/** Called before each request, and may decide what becomes of it. */
export type BeforeRequest = (side: SideName, asked: Asked) => Behaviour;

const places = {
  up: { source: 'near', destination: 'one' },
  down: { source: 'one', destination: 'near' },
  across: { source: 'one', destination: 'two' },
  within: { source: 'one', destination: 'one' },
} as const;

/** In memory where the system has such a folder. */
const roomy = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

const example = loadConfig(
  `remotes: { one: { host: one, replyTimeout: 20s }, two: { host: two, replyTimeout: 20s } }
jobs: { job: { operation: push, from: ./a, to: one:b } }`,
  context,
);

export interface Ended {
  readonly report: Report;
  readonly events: readonly RunEvent[];
  readonly isDry: boolean;
}

export class World {
  readonly source: string;
  readonly destination: string;
  readonly archive: string;
  /** Folders that no run may touch. */
  readonly canaries: readonly string[];
  before: BeforeRequest = () => 'normal';
  /** All requests so far, a line each. */
  readonly requests: string[] = [];
  readonly #base: string;
  readonly #case: Case;
  readonly #serve: Readonly<Record<'one' | 'two', ReturnType<typeof hostileFolder>>>;
  /** Whether the run has made its plan: nothing is listed any more. */
  isPlanned = false;
  #runs = 0;

  constructor(drawn: Case) {
    this.#case = drawn;
    this.#base = fs.mkdtempSync(join(roomy, 'ferryline-torture-'));
    const place = places[drawn.shape];
    this.source = join(this.#base, place.source, 'source');
    this.destination = join(this.#base, place.destination, 'destination');
    this.archive = join(this.#base, place.source, 'archive');
    this.canaries = [place.source, place.destination].map((at) => join(this.#base, at, 'canary'));
    for (const canary of this.canaries) {
      fs.mkdirSync(canary, { recursive: true });
      fs.writeFileSync(join(canary, 'secret'), 'secret');
    }
    grow(this.source, drawn.source);
    if (drawn.destination.length > 0) grow(this.destination, drawn.destination);
    this.#serve = { one: this.#server('one'), two: this.#server('two') };
  }

  /** Whether the destination is on a server, so that each change there is seen as a request. */
  get isRemoteDestination(): boolean {
    return this.#case.shape !== 'down';
  }

  isLocal(side: SideName): boolean {
    return places[this.#case.shape][side] === 'near';
  }

  end(): void {
    fs.rmSync(this.#base, { recursive: true, force: true });
  }

  /** Removes a file, by its path on a server. */
  take(path: string): void {
    for (const name of ['one', 'two']) fs.rmSync(join(this.#base, name, path), { force: true });
  }

  /** One run, as `ferryline run` makes it. */
  async run(over: Partial<Case['options']> = {}): Promise<Ended> {
    const events: RunEvent[] = [];
    this.isPlanned = false;
    const { isDry, approved } = { ...this.#case.options, ...over };
    const { isOpenSsh, channels } = this.#case.server;
    const pool = new SessionPool({
      connect: (remote, log, signal) =>
        connectDirectly({
          serve: this.#serve[remote.name as 'one' | 'two'],
          software: isOpenSsh ? 'OpenSSH_9.9' : 'another_1.0',
          channels,
        })(remote, log, signal),
    });
    try {
      const report = await runJob(this.#job(over), {
        run: `20260101T00000${this.#runs++}Z-torture0`,
        trigger: 'manual',
        attempt: 1,
        emit: (event) => {
          events.push(event);
          if (event.event === 'plan') this.isPlanned = true;
        },
        signal: new AbortController().signal,
        pool,
        state: join(this.#base, 'state'),
        dryRun: isDry,
        deletionsApproved: approved,
      });
      return { report, events, isDry };
    } finally {
      await pool.close();
    }
  }

  #server(name: 'one' | 'two') {
    const { server } = this.#case;
    const root = join(this.#base, name);
    fs.mkdirSync(root, { recursive: true });
    const usual = waysOf(server, root);
    const extensions = allExtensions.filter((it) => server.extensions.includes(it));
    const more = server.isOpenSsh ? ['posix-rename@openssh.com', 'fstatvfs@openssh.com'] : [];
    const self = {
      behave: async (asked: Asked) => {
        const drawn = this.before(this.#sideOf(name, asked), asked);
        return drawn === 'normal' ? usual(asked) : drawn;
      },
      concurrent: server.quirks.includes('noOrder'),
      extensions: Object.fromEntries([...extensions, ...more].map((it) => [it, '1'])),
    };
    return hostileFolder(root, self, ({ type, at, id, channel }) => {
      this.requests.push(`${name} ${channel} ${id} ${type} ${at}`);
    });
  }

  /** The side that a request concerns, by its path; without one, the side that the server has. */
  #sideOf(name: 'one' | 'two', { at }: Asked): SideName {
    if (at.startsWith('/destination')) return 'destination';
    if (at.startsWith('/source') || at.startsWith('/archive')) return 'source';
    return places[this.#case.shape].destination === name ? 'destination' : 'source';
  }

  #job(over: Partial<Case['options']>): Job {
    const { shape, operation, options } = this.#case;
    const { deleteAll, trash, after, modes, maxFiles, include, exclude, ...rest } = {
      ...options,
      ...over,
    };
    const place = places[shape];
    const remotes = new Map<string, Remote>(
      [...example.remotes].map(([name, remote]) => [name, { ...remote, maxFiles }]),
    );
    const location = (at: 'near' | 'one' | 'two', folder: string): Location =>
      at === 'near'
        ? { remote: undefined, path: join(this.#base, at, folder), label: `./${folder}` }
        : { remote: remotes.get(at), path: folder, label: `${at}:${folder}` };
    const base = example.jobs.get('job') as Job;
    const transfer = shape === 'down' ? 'pull' : 'push';
    const isMirror = operation === 'mirror';
    const { approved: _, isDry: __, ...plain } = rest;
    return {
      ...base,
      ...plain,
      name: 'job',
      operation: isMirror ? 'mirror' : transfer,
      from: location(place.source, 'source'),
      to: location(place.destination, 'destination'),
      scope: { ...base.scope, include, exclude },
      delete: {
        ...base.delete,
        max: deleteAll ? { percent: 100 } : undefined,
        allowEmptySource: deleteAll,
      },
      trash: trash ? { dir: '.ferryline/trash', keep: undefined } : undefined,
      after:
        isMirror || after === 'keep'
          ? { kind: 'keep' }
          : after === 'delete'
            ? { kind: 'delete' }
            : { kind: 'archive', to: location(place.source, 'archive') },
      modes: modes === 'set' ? { files: 0o644, folders: 0o755 } : modes,
    };
  }
}
