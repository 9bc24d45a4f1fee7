import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FerryError } from '../../src/core/errors.js';
import { acquireDaemonLock, acquireJobLock, daemonOf, type Lock } from '../../src/state/lock.js';
import { builtModule } from '../kit/built.js';
import { temporaryFolder } from '../kit/files/temporary.js';

const built = await builtModule('state/lock.ts');

/** Tries to take the lock on the first line of its stdin, prints the result, and keeps the lock until it is killed; it may be a daemon. */
const taker = `
  const { acquireDaemonLock, acquireJobLock } = await import(${JSON.stringify(built)});
  if (process.argv[2] === 'daemon') globalThis.daemon = await acquireDaemonLock(process.argv[1]);
  process.stdin.once('data', async () => {
    try {
      globalThis.lock = await acquireJobLock(process.argv[1], 'nightly');
      console.log('taken');
    } catch (error) {
      console.log(error.kind + ' ' + error.message);
    }
  });
  console.log('ready');
`;

let state: string;
let children: ChildProcess[];

beforeEach(async () => {
  state = await temporaryFolder();
  children = [];
});

afterEach(async () => {
  for (const child of children) await kill(child);
});

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

interface Taker {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  /** Tries to take the lock; resolves to `taken` or the error. */
  take(): Promise<string>;
}

function startTaker(folder = state, as = 'alone'): Taker {
  const child = spawn(process.execPath, ['--input-type=module', '-e', taker, folder, as], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    lines.push(...text.split('\n').filter((line) => line !== ''));
    child.emit('line');
  });
  const line = async (index: number) => {
    while (lines.length <= index) await once(child, 'line');
    return lines[index] ?? '';
  };
  return {
    child,
    ready: line(0).then(() => undefined),
    async take() {
      await this.ready;
      child.stdin.write('take\n');
      return line(1);
    },
  };
}

const busy = (pid: number | undefined) => ({
  kind: 'busy',
  message: expect.stringMatching(new RegExp(`^job nightly .* ${pid}$`)),
});

describe('the lock of a job', () => {
  test('has one holder, whose pid the others learn, and is free again when released', async () => {
    const lock = await acquireJobLock(state, 'nightly');
    await expect(acquireJobLock(state, 'nightly')).rejects.toMatchObject(busy(process.pid));
    const other = await acquireJobLock(state, 'other');
    await lock.release();
    await lock.release();
    const again = await acquireJobLock(state, 'nightly');
    await again.release();
    await other.release();
  });

  test('is held against other processes', async () => {
    const holder = startTaker();
    expect(await holder.take()).toBe('taken');
    await expect(acquireJobLock(state, 'nightly')).rejects.toMatchObject(busy(holder.child.pid));
  });

  test('is free as soon as its holder is killed, with nothing to clean up', async () => {
    for (let i = 0; i < 3; i++) {
      const holder = startTaker();
      expect(await holder.take()).toBe('taken');
      await kill(holder.child);
    }
    const lock = await acquireJobLock(state, 'nightly');
    const [folder = ''] = readdirSync(join(state, 'locks'));
    expect(readdirSync(join(state, 'locks', folder))).toEqual(['4']);
    await lock.release();
  });

  test('is still held by a holder that is stopped', async () => {
    const holder = startTaker();
    expect(await holder.take()).toBe('taken');
    holder.child.kill('SIGSTOP');
    await expect(acquireJobLock(state, 'nightly')).rejects.toBeInstanceOf(FerryError);
  });

  test.each(['fresh', 'stale'])('of 20 that race for a %s one exactly one wins', async (kind) => {
    if (kind === 'stale') {
      const dead = startTaker();
      expect(await dead.take()).toBe('taken');
      await kill(dead.child);
    }
    const takers = Array.from({ length: 20 }, () => startTaker());
    await Promise.all(takers.map(({ ready }) => ready));
    const answers = await Promise.all(takers.map((one) => one.take()));
    expect(answers.filter((answer) => answer === 'taken')).toHaveLength(1);
    const winner = takers[answers.indexOf('taken')]?.child.pid;
    for (const answer of answers) {
      if (answer !== 'taken') expect(answer).toMatch(new RegExp(`^busy job nightly .* ${winner}$`));
    }
  });

  test('never has two holders while many take and release it', async () => {
    let holders = 0;
    let taken = 0;
    const one = async () => {
      for (let i = 0; i < 40; i++) {
        try {
          const lock = await acquireJobLock(state, 'nightly');
          expect(++holders).toBe(1);
          taken++;
          await new Promise((resolve) => setImmediate(resolve));
          holders--;
          await lock.release();
        } catch (error) {
          expect(error).toMatchObject({ kind: 'busy' });
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, one));
    expect(taken).toBeGreaterThan(0);
  });

  test('works in a state folder whose path is too long for a socket', async () => {
    const long = join(state, 'x'.repeat(120));
    mkdirSync(long);
    const holder = startTaker(long);
    expect(await holder.take()).toBe('taken');
    await expect(acquireJobLock(long, 'nightly')).rejects.toMatchObject(busy(holder.child.pid));
    await kill(holder.child);
    const lock = await acquireJobLock(long, 'nightly');
    await lock.release();
  });

  test('says what to do where the state folder holds no locks', async () => {
    const file = join(state, 'file');
    writeFileSync(file, '');
    await expect(acquireJobLock(file, 'nightly')).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining('job nightly'),
      hint: expect.stringContaining('FERRYLINE_STATE_DIR'),
    });
  });
});

/** Takes the lock and gives it back, again and again; a folder proves that nobody else has it meanwhile. Prints how often it had it. */
const repeater = `
  import { mkdirSync, rmdirSync } from 'node:fs';
  import { setImmediate } from 'node:timers/promises';
  const { acquireJobLock } = await import(${JSON.stringify(built)});
  let taken = 0;
  for (let i = 0; i < 300; i++) {
    const lock = await acquireJobLock(process.argv[1], 'nightly').catch((error) => {
      if (error.kind !== 'busy') throw error;
    });
    if (lock === undefined) continue;
    mkdirSync(process.argv[1] + '/held');
    await setImmediate();
    rmdirSync(process.argv[1] + '/held');
    await lock.release();
    taken++;
  }
  console.log(taken);
`;

describe('a daemon, whose locks of jobs are names of one socket', () => {
  let daemon: Lock;

  beforeEach(async () => {
    daemon = await acquireDaemonLock(state);
  });

  afterEach(() => daemon.release());

  /** The lock, taken so often that it is a name of the daemon's socket. */
  const lockOfDaemon = async () => {
    await (await acquireJobLock(state, 'nightly')).release();
    await (await acquireJobLock(state, 'nightly')).release();
    return acquireJobLock(state, 'nightly');
  };
  /** So many processes take it, one after another; all but the last are killed. */
  const heldAfter = async (count: number): Promise<ChildProcess> => {
    const holder = startTaker();
    expect(await holder.take()).toBe('taken');
    if (count === 1) return holder.child;
    await kill(holder.child);
    return heldAfter(count - 1);
  };
  const namesOfLock = () => {
    const folders = readdirSync(join(state, 'locks')).map((one) => join(state, 'locks', one));
    return folders
      .map((folder) => readdirSync(folder))
      .toSorted((a, b) => (a.join() < b.join() ? -1 : 1));
  };

  test('has each against all others, whoever had it before', async () => {
    const lock = await lockOfDaemon();
    expect(namesOfLock()).toEqual([['1'], ['1', '2']]);
    await expect(acquireJobLock(state, 'nightly')).rejects.toMatchObject(busy(process.pid));
    expect(await startTaker().take()).toMatch(new RegExp(`^busy job nightly .* ${process.pid}$`));
    await lock.release();
    await lock.release();
    // The second one has a number that the daemon does not count with.
    for (const others of [1, 2]) {
      const holder = await heldAfter(others);
      await expect(acquireJobLock(state, 'nightly')).rejects.toMatchObject(busy(holder.pid));
      await kill(holder);
      await (await acquireJobLock(state, 'nightly')).release();
    }
    expect(namesOfLock()).toEqual([['1'], ['4']]);
  });

  test('has none any more as soon as it is killed', async () => {
    await daemon.release();
    for (let i = 0; i < 2; i++) {
      const killed = startTaker(state, 'daemon');
      expect(await killed.take()).toBe('taken');
      await expect(acquireJobLock(state, 'nightly')).rejects.toMatchObject(busy(killed.child.pid));
      await kill(killed.child);
      const lock = await acquireJobLock(state, 'nightly');
      await lock.release();
    }
    expect(await daemonOf(state)).toBeUndefined();
  });

  test('keeps those of runs that it could not end when it gives up its own', async () => {
    const lock = await lockOfDaemon();
    await daemon.release();
    expect(await daemonOf(state)).toBeUndefined();
    await expect(acquireJobLock(state, 'nightly')).rejects.toMatchObject(busy(process.pid));
    const next = await acquireDaemonLock(state);
    await expect(acquireJobLock(state, 'nightly')).rejects.toMatchObject(busy(process.pid));
    await lock.release();
    await (await lockOfDaemon()).release();
    await next.release();
  });

  test('goes on where somebody has removed the locks meanwhile', async () => {
    const lock = await lockOfDaemon();
    rmSync(join(state, 'locks'), { recursive: true });
    // The second one has the number that the daemon's had.
    const holder = await heldAfter(2);
    await lock.release();
    await expect(acquireJobLock(state, 'nightly')).rejects.toMatchObject(busy(holder.pid));
    await kill(holder);
    await (await lockOfDaemon()).release();
  });

  test('never has one that another process has, while both take and release it', async () => {
    const children = [1, 2].map(() =>
      spawn(process.execPath, ['--input-type=module', '-e', repeater, state], {
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
    const counts = children.map(async (child) => {
      let text = '';
      for await (const chunk of child.stdout) text += chunk;
      return Number(text);
    });
    let isOver = false;
    const ended = Promise.all(counts).finally(() => {
      isOver = true;
    });
    let taken = 0;
    while (!isOver) {
      const lock = await acquireJobLock(state, 'nightly').catch((error: Error) => {
        expect(error).toMatchObject({ kind: 'busy' });
        return undefined;
      });
      if (lock !== undefined) {
        mkdirSync(join(state, 'held'));
        await new Promise((resolve) => setImmediate(resolve));
        rmdirSync(join(state, 'held'));
        await lock.release();
        taken++;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(Math.min(taken, ...(await ended))).toBeGreaterThan(0);
  });
});
