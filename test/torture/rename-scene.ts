/** A mirror with `renames: follow` whose source was reorganised, made anew for each kill, and what must hold after it. */
import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { giveTo } from '../kit/account.js';
import type { Result } from '../kit/daemons/cli.js';
import { readTree, setMtimes, type Tree } from '../kit/files/tree.js';
import { openScene, type Scene } from '../kit/scene.js';
import type { Sshd } from '../kit/servers/sshd.js';
import { straceOf } from './calls.js';
import type { Killable } from './kill-scene.js';

const past = 1_500_000_000;
const before = {
  ...{ a: 'text A', b: 'text B', 'd/x': 'text X', gone: 'text G', k: 'text K' },
  ...{ log: 'log 0', 'log.1': 'log 1', 'log.2': 'log 2' },
};
/** In this order; `-` is a name for a moment. */
const moves = [
  ...(['a -', 'b a', '- b', 'd/x e/f/x'] as const),
  ...(['log.1 log.2', 'log log.1', 'k log'] as const),
];
const after = {
  ...{ a: 'text B', b: 'text A', 'e/f/x': 'text X', k: 'new' },
  ...{ log: 'text K', 'log.1': 'log 0', 'log.2': 'log 1' },
};

export class RenameScene implements Killable {
  readonly way = 'renames';
  readonly log: string;
  readonly serverLog: string;
  readonly from: string;
  readonly to: string;
  readonly #scene: Scene;
  readonly #sshd: Sshd;
  readonly #orders: string;

  private constructor(scene: Scene, sshd: Sshd, orders: string) {
    this.#sshd = sshd;
    this.#scene = scene;
    this.#orders = orders;
    this.log = join(scene.cwd, 'calls');
    this.serverLog = join(orders, '../server-calls');
    this.from = scene.here();
    this.to = scene.there();
  }

  /** Mirrors the files once, moves them at the source, and keeps what is at the destination and in the state folder. */
  static async open(sshd: Sshd, orders: string): Promise<RenameScene> {
    const scene = await openScene(sshd);
    await scene.jobs({ renames: 'follow', trash: true });
    scene.writeHere(before);
    const times = Object.keys(before).map((path, n) => [path, past + 10 * n] as const);
    setMtimes(scene.here(), Object.fromEntries(times));
    const one = new RenameScene(scene, sshd, orders);
    const { code, stderr } = await one.run();
    if (code !== 0) throw new Error(stderr);
    for (const move of moves) {
      const [from = '', to = ''] = move.split(' ');
      mkdirSync(dirname(scene.here(to)), { recursive: true });
      renameSync(scene.here(from), scene.here(to));
    }
    rmSync(scene.here('gone'));
    rmSync(scene.here('d'), { recursive: true });
    scene.writeHere({ k: 'new' }, { mtime: past + 1000 });
    for (const [name, folder] of one.#kept) cpSync(folder, join(scene.cwd, name), kept);
    return one;
  }

  get #kept() {
    const state = join(this.#scene.cwd, '.state');
    return [['kept-to', this.to] as const, ['kept-state', state] as const];
  }

  async reset(): Promise<void> {
    for (const [name, folder] of this.#kept) {
      rmSync(folder, { recursive: true, force: true });
      cpSync(join(this.#scene.cwd, name), folder, kept);
    }
    giveTo(this.#sshd.account, this.to);
    rmSync(this.#orders, { force: true });
  }

  orderServer(command: readonly string[]): void {
    writeFileSync(this.#orders, command.join(' '), { mode: 0o666 });
  }

  run(wrap: readonly string[] = []): Promise<Result> {
    const env = { UV_THREADPOOL_SIZE: '1' };
    return this.#scene.cli(['run', 'job', '--json', '--delete-max', '90%'], { wrap, env });
  }

  async trace(whose: 'program' | 'server'): Promise<Result> {
    if (whose === 'program') return this.run(straceOf(this.log));
    this.orderServer(straceOf(this.serverLog));
    return this.run();
  }

  /** Each name has its whole old or its whole new bytes, and what the source still has is there under one of its names. */
  wrongNow(): string[] {
    const there = this.#there();
    const wrong: string[] = [];
    for (const [path, text] of Object.entries(there))
      if (![of(before, path), of(after, path)].includes(text as string))
        wrong.push(`${path} has "${text}"`);
    for (const path of Object.keys(after))
      if (path in before && !(path in there)) wrong.push(`${path} is gone`);
    // of files that take each other's names, one has a name of ours for a moment
    const ours = Object.values(readTree(this.to, { ours: true }));
    for (const text of Object.values(after)) {
      const all = isInCircle(text) ? ours : Object.values(there);
      if (text !== 'new' && !all.includes(text)) wrong.push(`"${text}" is lost`);
    }
    return wrong;
  }

  wrongAfter(): string[] {
    const there = this.#there();
    const wrong = Object.keys({ ...after, ...there }).filter(
      (path) => there[path] !== of(after, path),
    );
    return wrong.map((path) => `${path} has "${there[path]}"`);
  }

  /** The files at the destination, without ferryline's own. */
  #there(): Tree {
    const all = Object.entries(readTree(this.to));
    return Object.fromEntries(
      all.filter(([path, text]) => typeof text === 'string' && !/(^|\/)\./.test(path)),
    );
  }
}

const isInCircle = (text: string) => text === before.a || text === before.b;

const kept = {
  recursive: true,
  preserveTimestamps: true,
  filter: (path: string) => !path.endsWith('/locks'),
} as const;

function of(tree: Readonly<Record<string, string>>, path: string): string | undefined {
  return tree[path];
}
