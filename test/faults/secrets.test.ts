/** Row 41 of docs/faults.md: no secret is in anything that the daemon writes, keeps, answers or is started with. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { openPglite } from '../../src/queue/store/pglite.js';
import { withSshd } from '../kit/base.js';
import { startFerryline, writeJobs } from '../kit/daemons/cli.js';
import { remoteIn, type Scene } from '../kit/scene.js';
import { startPostgres } from '../kit/servers/postgres.js';
import { startRedis } from '../kit/servers/redis.js';

const queuePassword = 'canary-queue-9f41';
const passphrase = 'canary-passphrase-77aa';
const password = 'canary-password-c3d2';
const printed = 'canary-printed-5b90';

const test = withSshd({ passphrase, password: true });

/** Where each text was found, and the text. */
type Places = [string, string][];

interface Kept {
  /** For `queue` in jobs.yml. */
  readonly url: string;
  /** All that the store holds, uncompressed; called once nobody else has it open. */
  entries(state: string): Places | Promise<Places>;
}

const stores: Readonly<Record<string, () => Promise<Kept>>> = {
  async Redis() {
    const redis = await startRedis({ config: [`requirepass ${queuePassword}`] });
    onTestFinished(() => redis.stop());
    const ask = (...args: string[]) =>
      execFileSync('/usr/bin/redis-cli', ['-p', `${redis.port}`, '--no-auth-warning', ...args], {
        env: { ...process.env, REDISCLI_AUTH: queuePassword },
        encoding: 'latin1',
      });
    return {
      url: redis.url.replace('redis://', `redis://:${queuePassword}@`),
      entries: () =>
        ask('--scan')
          .split('\n')
          .filter(Boolean)
          .map((name) => [name, ask('DUMP', name) + dumpOf(ask, name)]),
    };
  },
  async Postgres() {
    const postgres = await startPostgres();
    onTestFinished(() => postgres.stop());
    return {
      url: postgres.url.replace('@', `:${queuePassword}@`),
      entries: async () => [['dump', await postgres.dump()]],
    };
  },
  async embedded() {
    return {
      url: 'embedded',
      async entries(state) {
        const pool = await openPglite(join(state, 'queue/pglite'));
        const tables = await pool.query<{ name: string }>(
          "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'bullmq'",
        );
        const places: Places = [];
        for (const { name } of tables.rows) {
          const { rows } = await pool.query(`SELECT whole::text FROM ${name} AS whole`);
          places.push([name, JSON.stringify(rows)]);
        }
        await pool.end();
        return places;
      },
    };
  },
};

/** Everything in a folder, file by file. */
function* contentsOf(folder: string): Generator<Places[number]> {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    if (statSync(path).isFile()) yield [path, readFileSync(path, 'latin1')];
  }
}

/** What the commands print about a run. */
async function answersOn(scene: Scene, run: string): Promise<Places> {
  const said: Places = [];
  for (const words of [['status'], ['runs'], ['logs', run], ['next'], ['validate']])
    for (const flags of [[], ['--json'], ['-vv']]) {
      const { stdout, stderr } = await scene.cli([...words, ...flags]);
      said.push([words.join(' '), stdout + stderr]);
    }
  return said;
}

test.for(Object.keys(stores))(
  'no canary in logs, reports, answers, arguments, the last words of a crash, or a queue kept by %s',
  { timeout: 120_000 },
  async (name, { sshd, scene }) => {
    const store = (await stores[name]?.()) as Kept;
    const state = join(scene.cwd, '.state');
    const keyLine = readFileSync(sshd.keyFile, 'utf8').split('\n')[2] as string;
    writeFileSync(join(scene.cwd, 'passphrase'), `${passphrase}\n`, { mode: 0o600 });
    writeFileSync(join(scene.cwd, 'printed'), `${printed}\n`, { mode: 0o600 });
    writeFileSync(join(scene.cwd, 'password'), `${password}\n`, { mode: 0o600 });
    const file = (name: string) => `\${file:${join(scene.cwd, name)}}`;
    const remote = (auth: object) => ({ ...remoteIn(sshd), auth });
    const job = { operation: 'push', from: './data', retry: { attempts: 1 } };
    await writeJobs(scene.cwd, {
      queue: store.url,
      secrets: {
        phrase: ['cat', 'passphrase'],
        wrong: ['cat', 'printed'],
        failing: ['sh', '-c', 'cat printed; echo "no: $(cat printed)" >&2; exit 3'],
      },
      remotes: {
        good: remote({ key: sshd.keyFile, passphrase: '${secret:phrase}' }),
        bad: remote({ password: file('password') }),
        wrong: remote({ password: '${secret:wrong}' }),
        failing: remote({ password: '${secret:failing}' }),
      },
      jobs: {
        good: { ...job, to: `good:${scene.place}` },
        clash: { ...job, to: `good:${scene.place}/clash` },
        bad: { ...job, to: `bad:${scene.place}` },
        wrong: { ...job, to: `wrong:${scene.place}` },
        failing: { ...job, to: `failing:${scene.place}` },
      },
    });
    const canaries = [queuePassword, passphrase, password, printed, keyLine];
    // A name with a secret in it is redacted too, also if its file can't be written.
    scene.writeHere({
      a: 'one',
      [`named-${password}`]: 'two',
      // learnt during the login
      [`named-${passphrase}`]: 'three',
    });
    scene.writeThere({ [`clash/named-${password}/in`]: 'the way' });
    const env = { NODE_OPTIONS: '--report-on-fatalerror --report-on-signal --report-directory=.' };
    const daemon = startFerryline(['start', '-vv'], { cwd: scene.cwd, env });
    await daemon.said(/started: /);
    const places: Places = [];
    const codes: Record<string, number> = {};
    for (const job of ['good', 'clash', 'bad', 'wrong', 'failing']) {
      const { code, stdout, stderr, events } = await scene.cli([
        'enqueue',
        job,
        '--wait',
        '--json',
      ]);
      codes[job] = code;
      places.push([`enqueue ${job}`, stdout + stderr]);
      places.push(...(await answersOn(scene, events.at(-1)?.run)));
    }
    expect(codes).toEqual({ good: 0, clash: 3, bad: 5, wrong: 5, failing: 5 });
    places.push(['argv', readFileSync(`/proc/${daemon.pid}/cmdline`, 'latin1')]);
    daemon.child.kill('SIGABRT');
    const { stdout, stderr } = await daemon.ended;
    places.push(['stdout', stdout], ['stderr', stderr]);
    const alone = await scene.cli(['run', 'clash', '--json']);
    expect(alone.code).toBe(3);
    places.push(['run clash', alone.stdout + alone.stderr]);
    const doubts = join(state, 'doubts');
    // There, file names are kept unredacted for the next run; they are shown to nobody.
    for (const [path, text] of contentsOf(state))
      if (!path.startsWith(doubts)) places.push([path, text]);
    const entries = await store.entries(state);
    // The search covers everything that the runs left.
    for (const job of ['good', 'clash', 'bad'])
      expect(entries.some(([, text]) => text.includes(job))).toBe(true);
    places.push(...entries);
    const hits = places.flatMap(([place, text]) =>
      canaries.filter((canary) => text.includes(canary)).map((canary) => `${canary} in ${place}`),
    );
    expect(hits).toEqual([]);
  },
);

/** An entry uncompressed, since DUMP may compress it. */
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
