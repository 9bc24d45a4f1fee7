/** Signals in the first second of the daemon: SIGHUP must not end it, SIGTERM must end it in order. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import { each } from '../../src/core/at-once.js';
import { test } from '../kit/base.js';
import { ferryline, type Live, startFerryline, writeJobs } from '../kit/daemons/cli.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import type { Redis } from '../kit/servers/redis.js';

const processesAtOnce = 3;

/**
 * A module that writes a line when main.js reads command.js, which it does right after its first lines:
 * before these, during Node's own start, no program can hold a signal back.
 */
const preload = `
import fs from 'node:fs';
const read = fs.readFileSync;
fs.readFileSync = (file, ...more) => {
  if (String(file).endsWith('/command.js')) fs.writeSync(2, 'our code runs\\n');
  return read(file, ...more);
};`;

function dataUrl(module: string): string {
  return `data:text/javascript,${encodeURIComponent(module)}`;
}

interface Starting extends Live {
  readonly cwd: string;
  readonly env: Record<string, string>;
}

/** A daemon whose first lines of code have just run. */
async function startingDaemon(redis: Redis): Promise<Starting> {
  const cwd = await temporaryFolder();
  await writeJobs(cwd, {
    remotes: { archive: { host: '127.0.0.1', username: 'ferry' } },
    jobs: { job: { operation: 'push', from: './data', to: 'archive:data' } },
  });
  const env = { FERRYLINE_QUEUE: redis.url };
  const live = startFerryline(['start'], {
    cwd,
    env: { ...env, NODE_OPTIONS: `--import=${dataUrl(preload)}` },
  });
  onTestFinished(() => void live.child.kill('SIGKILL'));
  await live.said(/our code runs/);
  return { ...live, cwd, env };
}

/** Every 20 ms of a second. */
const moments = Array.from({ length: 50 }, (_, n) => n * 20);

test('a SIGHUP at any moment of the start reloads jobs.yml and ends nothing', async ({ redis }) => {
  await each(moments, processesAtOnce, async (ms) => {
    const daemon = await startingDaemon(redis);
    await sleep(ms);
    daemon.child.kill('SIGHUP');
    await daemon.said(/started: /);
    await daemon.said(/jobs\.yml was reloaded/);
    const { code, events } = await ferryline(['status', '--json'], daemon);
    expect([ms, code, events[0]?.pid]).toEqual([ms, 0, daemon.pid]);
    daemon.child.kill('SIGKILL');
    await daemon.ended;
  });
}, 180_000);

test('a SIGTERM at any moment of the start ends it, and nothing of it is left', async ({
  redis,
}) => {
  const sparse = moments.filter((ms) => ms % 100 === 0);
  await each(sparse, processesAtOnce, async (ms) => {
    const daemon = await startingDaemon(redis);
    await sleep(ms);
    daemon.child.kill('SIGTERM');
    const { code, stderr } = await daemon.ended;
    // 0 once it has started, 143 before
    expect([ms, code, stderr]).toEqual([ms, /started: /.test(stderr) ? 0 : 143, stderr]);
    expect(existsSync(join(daemon.cwd, '.state/control.sock'))).toBe(false);
  });
}, 60_000);
