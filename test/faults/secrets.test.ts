/** Secrets stay where they are needed: canaries, looked for in all that the daemon writes, keeps, answers and is started with. Row 41 of the fault matrix. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFerryline, writeJobs } from '../kit/cli.js';
import { type Redis, startRedis } from '../kit/redis.js';
import { openScene, remoteIn, type Scene } from '../kit/scene.js';
import { type Sshd, startSshd } from '../kit/sshd.js';

const queuePassword = 'canary-queue-9f41';
const passphrase = 'canary-passphrase-77aa';
const password = 'canary-password-c3d2';

let sshd: Sshd;
let redis: Redis;
beforeAll(async () => {
  [sshd, redis] = await Promise.all([
    startSshd({ passphrase, password: true }),
    startRedis({ config: [`requirepass ${queuePassword}`] }),
  ]);
});
afterAll(() => Promise.all([sshd.stop(), redis.stop()]));

/** Everything in a folder, file by file. */
function* contentsOf(folder: string): Generator<[string, string]> {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    if (statSync(path).isFile()) yield [path, readFileSync(path, 'latin1')];
  }
}

async function everythingOf(scene: Scene, run: string): Promise<[string, string][]> {
  const said: [string, string][] = [];
  for (const words of [['status'], ['runs'], ['logs', run], ['next'], ['validate']])
    for (const flags of [[], ['--json'], ['-vv']]) {
      const { stdout, stderr } = await scene.cli([...words, ...flags], {
        env: { FERRYLINE_QUEUE: 'embedded' },
      });
      said.push([words.join(' '), stdout + stderr]);
    }
  return said;
}

test('no canary in logs, reports, the queue, answers, arguments, or the last words of a crash', async () => {
  const scene = await openScene(sshd);
  const key = readFileSync(sshd.keyFile, 'utf8');
  const keyLine = key.split('\n')[2] as string;
  writeFileSync(join(scene.cwd, 'passphrase'), `${passphrase}\n`, { mode: 0o600 });
  writeFileSync(join(scene.cwd, 'password'), `${password}\n`, { mode: 0o600 });
  const file = (name: string) => `\${file:${join(scene.cwd, name)}}`;
  const remote = (auth: object) => ({ ...remoteIn(sshd), auth });
  await writeJobs(scene.cwd, {
    queue: redis.url.replace('redis://', `redis://:${queuePassword}@`),
    remotes: {
      good: remote({ key: sshd.keyFile, passphrase: file('passphrase') }),
      bad: remote({ password: file('password') }),
    },
    jobs: {
      good: { operation: 'push', from: './data', to: `good:${scene.place}` },
      bad: { operation: 'push', from: './data', to: `bad:${scene.place}`, retry: { attempts: 1 } },
    },
  });
  const canaries = [queuePassword, passphrase, password, keyLine];
  // A name that holds a secret is redacted, too.
  scene.writeHere({ a: 'one', [`named-${password}`]: 'two' });
  const env = { NODE_OPTIONS: '--report-on-fatalerror --report-on-signal --report-directory=.' };
  const daemon = startFerryline(['start', '-vv'], { cwd: scene.cwd, env });
  await daemon.said(/works: /);
  const good = await scene.cli(['enqueue', 'good', '--wait', '--json']);
  const bad = await scene.cli(['enqueue', 'bad', '--wait', '--json']);
  expect([good.code, bad.code]).toEqual([0, 5]);
  const places = await everythingOf(scene, good.events.at(-1)?.run);
  places.push(['enqueue', good.stderr + bad.stdout + bad.stderr]);
  places.push(['argv', readFileSync(`/proc/${daemon.pid}/cmdline`, 'latin1')]);
  const ask = (...args: string[]) =>
    execFileSync('/usr/bin/redis-cli', ['-p', `${redis.port}`, '--no-auth-warning', ...args], {
      env: { ...process.env, REDISCLI_AUTH: queuePassword },
      encoding: 'latin1',
    });
  for (const name of ask('--scan').split('\n').filter(Boolean))
    places.push([`queue ${name}`, ask('DUMP', name) + dumpOf(ask, name)]);
  daemon.child.kill('SIGABRT');
  const { stdout, stderr } = await daemon.ended;
  places.push(['stdout', stdout], ['stderr', stderr]);
  const doubts = join(scene.cwd, '.state/doubts');
  // There, names of files are what they are, for the next run; nobody is shown them.
  for (const [path, text] of contentsOf(join(scene.cwd, '.state')))
    if (!path.startsWith(doubts)) places.push([path, text]);
  expect(places.length).toBeGreaterThan(25);
  expect(places.some(([, text]) => text.includes('"a"'))).toBe(true);
  const hits = places.flatMap(([place, text]) =>
    canaries.filter((canary) => text.includes(canary)).map((canary) => `${canary} in ${place}`),
  );
  expect(hits).toEqual([]);
}, 120_000);

/** An entry in plain words, as DUMP may compress it. */
function dumpOf(ask: (...args: string[]) => string, name: string): string {
  switch (ask('TYPE', name).trim()) {
    case 'hash':
      return ask('HGETALL', name);
    case 'stream':
      return ask('XRANGE', name, '-', '+');
    default:
      return '';
  }
}
