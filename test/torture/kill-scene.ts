/** A job between two small trees on a real sshd, made anew for each kill, and what must hold after it. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { giveTo } from '../kit/account.js';
import type { Result } from '../kit/daemons/cli.js';
import { randomBytes, readTree, type Tree, writeTree } from '../kit/files/tree.js';
import { openScene, remoteIn, type Scene } from '../kit/scene.js';
import { type Sshd, startSshd } from '../kit/servers/sshd.js';
import { straceOf } from './calls.js';

export const ways = ['push', 'pull', 'mirror', 'mirror down', 'across', 'mirror across'] as const;
export type Way = (typeof ways)[number];

const before = 1_500_000_000;
const now = 1_600_000_000;

/** Both trees before the run. Large files go in several chunks. */
function trees(seed: number): { readonly from: Tree; readonly to: Tree } {
  return {
    from: {
      'a.txt': `new ${seed}`,
      'f/big': randomBytes(600_000, seed),
      'f/new': 'n',
      'g/h/deep': 'd',
      same: 's',
    },
    to: { 'a.txt': 'old', 'f/big': randomBytes(300_000, 7), 'f/gone': 'gone', 'k/gone': 'k' },
  };
}

/** A scene whose run is killed again and again. */
export interface Killable {
  readonly way: string;
  /** strace's file for the program, and for its server. */
  readonly log: string;
  readonly serverLog: string;
  readonly from: string;
  readonly to: string;
  /** Makes both sides and the state folder as they were before the run. */
  reset(seed: number): Promise<void>;
  /** The next sftp-server of this sshd, and no later one, is started by this command. */
  orderServer(command: readonly string[]): void;
  /** One run by the built program, `wrap` before it. */
  run(wrap?: readonly string[]): Promise<Result>;
  /** A run whose calls are written down: the program's, or its server's. */
  trace(whose: 'program' | 'server'): Promise<Result>;
  /** What is wrong right after a kill. */
  wrongNow(): string[];
  /** What is wrong once a later run has ended with 0. */
  wrongAfter(): string[];
}

export class KillScene implements Killable {
  readonly way: Way;
  readonly isMirror: boolean;
  readonly log: string;
  readonly serverLog: string;
  readonly from: string;
  readonly to: string;
  readonly #scene: Scene;
  readonly #sshd: Sshd;
  readonly #orders: string;
  #seed = 0;

  private constructor(way: Way, scene: Scene, sshd: Sshd, orders: string) {
    this.way = way;
    this.isMirror = way.startsWith('mirror');
    this.#scene = scene;
    this.#sshd = sshd;
    this.#orders = orders;
    this.log = join(scene.cwd, 'calls');
    this.serverLog = join(orders, '../server-calls');
    const [from, to] = sidesOf(way);
    const at = (side: string) => (side === 'here' ? scene.here() : `${scene.there()}-${side}`);
    this.from = at(from);
    this.to = at(to);
  }

  static async open(way: Way, sshd: Sshd, orders: string): Promise<KillScene> {
    const scene = await openScene(sshd);
    const label = (side: string) => (side === 'here' ? './data' : `${side}:${scene.place}-${side}`);
    const [from, to] = sidesOf(way);
    const operation = way.startsWith('mirror') ? 'mirror' : from === 'here' ? 'push' : 'pull';
    const text = {
      remotes: { one: remoteIn(sshd), two: remoteIn(sshd) },
      jobs: {
        job: {
          ...{ operation, from: label(from), to: label(to), fsync: true },
          ...(operation === 'mirror' ? { trash: true } : {}),
        },
      },
    };
    writeFileSync(join(scene.cwd, 'jobs.yml'), JSON.stringify(text));
    return new KillScene(way, scene, sshd, orders);
  }

  async reset(seed: number): Promise<void> {
    this.#seed = seed;
    const { from, to } = trees(seed);
    for (const folder of [this.from, this.to, join(this.#scene.cwd, '.state')])
      rmSync(folder, { recursive: true, force: true });
    writeTree(this.from, from, { mtime: now });
    writeTree(this.to, to, { mtime: before });
    for (const folder of [this.from, this.to])
      if (folder !== this.#scene.here()) giveTo(this.#sshd.account, folder);
    rmSync(this.#orders, { force: true });
  }

  orderServer(command: readonly string[]): void {
    writeFileSync(this.#orders, command.join(' '));
    chmodSync(this.#orders, 0o666);
  }

  run(wrap: readonly string[] = []): Promise<Result> {
    // the limit is typed: a yes to the deletions of a first contact
    const yes = this.isMirror ? ['--delete-max', '90%'] : [];
    const args = ['run', 'job', '--json', ...yes];
    return this.#scene.cli(args, { wrap, env: { UV_THREADPOOL_SIZE: '1' } });
  }

  async trace(whose: 'program' | 'server'): Promise<Result> {
    if (whose === 'program') return this.run(straceOf(this.log));
    this.orderServer(straceOf(this.serverLog));
    return this.run();
  }

  /** What is wrong right after a kill: each name has its whole old or its whole new bytes, and nothing was deleted before all was copied. */
  wrongNow(): string[] {
    const { from, to } = trees(this.#seed);
    const wrong: string[] = [];
    for (const [path, bytes] of Object.entries(from))
      if (!same(bytes, read(this.from, path))) wrong.push(`${path} changed at the source`);
    let allCopied = true;
    for (const [path, bytes] of Object.entries(from)) {
      const there = read(this.to, path);
      if (same(bytes, there)) continue;
      allCopied = false;
      if (!same(to[path], there)) wrong.push(`${path} is a mixture, or gone`);
    }
    for (const path of ['f/gone', 'k/gone']) {
      if (same(to[path], read(this.to, path))) continue;
      if (!this.isMirror || !allCopied) wrong.push(`${path} was deleted without proof`);
      else if (!this.#isInTrash(path)) wrong.push(`${path} is not in the trash`);
    }
    return wrong;
  }

  wrongAfter(): string[] {
    const { from, to } = trees(this.#seed);
    const kept = this.isMirror ? {} : { 'f/gone': to['f/gone'], 'k/gone': to['k/gone'] };
    const expected = { ...from, ...kept };
    const found = Object.keys(readTree(this.to)).filter((path) => !path.includes('.ferrypart'));
    const wrong = Object.entries(expected)
      .filter(([path, bytes]) => !same(bytes, read(this.to, path)))
      .map(([path]) => `${path} is not what the source has`);
    for (const path of found) if (!(path in expected)) wrong.push(`${path} is too much`);
    return wrong;
  }

  #isInTrash(path: string): boolean {
    const trash = join(this.to, '.ferryline/trash');
    const runs = read(this.to, '.ferryline') === 'folder' ? readdirSync(trash) : [];
    return runs.some((run) => read(join(trash, run), path) instanceof Buffer);
  }
}

/** Where the two sides of a way are. */
function sidesOf(way: Way): readonly ['here' | 'one', 'here' | 'one' | 'two'] {
  if (way === 'pull' || way === 'mirror down') return ['one', 'here'];
  return way.endsWith('across') ? ['one', 'two'] : ['here', 'one'];
}

/** A file's bytes; a folder's or nothing's word. */
function read(folder: string, path: string): Buffer | 'folder' | undefined {
  try {
    return readFileSync(join(folder, path));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EISDIR' ? 'folder' : undefined;
  }
}

function same(expected: Tree[string] | undefined, found: Buffer | 'folder' | undefined): boolean {
  if (expected === undefined || expected === null) return found === undefined;
  if (!(found instanceof Buffer)) return false;
  return Buffer.from(expected as string).equals(found);
}

/** An sshd whose next sftp-server can be started by a command of the test's. */
export async function startOrderedSshd(): Promise<{
  readonly sshd: Sshd;
  readonly orders: string;
}> {
  const holder = await startSshd({ as: 'self', subsystem: '/bin/false' });
  await holder.stop();
  const orders = join(holder.root, '../orders/next');
  mkdirSync(join(orders, '..'), { recursive: true });
  chmodSync(join(orders, '..'), 0o777);
  const script = join(orders, '../../subsystem');
  writeFileSync(
    script,
    `#!/bin/sh
exec 9> "${orders}.lock"; flock 9
next=$(cat "${orders}" 2> /dev/null); rm -f "${orders}"
flock -u 9; exec 9>&-
exec $next /usr/lib/openssh/sftp-server -d "${holder.root}"
`,
  );
  chmodSync(script, 0o755);
  const sshd = await startSshd({ as: 'self', root: holder.root, subsystem: script });
  return { sshd, orders };
}
