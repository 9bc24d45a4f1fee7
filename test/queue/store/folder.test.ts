/** The embedded store's folder: a damaged database is set aside with a warning, and nothing else is. */
import {
  chmodSync,
  cpSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createPostgresBackend, Queue } from 'bullmq';
import { beforeAll, expect, test, vi } from 'vitest';
import { openFolder } from '../../../src/queue/store/embedded.js';
import { giveTo, isRoot, serverAccount } from '../../kit/account.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { randomBytes } from '../../kit/files/tree.js';

let sound: string;
beforeAll(async () => {
  sound = join(await temporaryFolder(), 'queue');
  const { entries, pool } = await opened(sound);
  await entries.add('run', { some: 'thing' }, { jobId: 'first' });
  await pool.end();
}, 120_000);

/** Opens a folder and reads what is in it. */
async function opened(folder: string) {
  const warnings: string[] = [];
  const broken: string[] = [];
  const pool = await openFolder(folder, {
    onWarning: (message) => warnings.push(message),
    onBroken: (why) => broken.push(why),
  });
  const entries = new Queue('some', { connection: pool as never }, createPostgresBackend as never);
  entries.on('error', () => {});
  return { pool, entries, warnings, broken };
}

async function copyOf(folder: string): Promise<{ folder: string; file(path: string): string }> {
  const copy = join(await temporaryFolder(), 'queue');
  cpSync(folder, copy, { recursive: true });
  return { folder: copy, file: (path) => join(copy, 'pglite', path) };
}

type Files = (path: string) => string;
const base = (file: Files) => readdirSync(file('base/5')).map((name) => file(`base/5/${name}`));
/** Relations made after the database itself: BullMQ's. */
const ours = (file: Files) => base(file).filter((path) => /\/1[6-9]\d{3}$/.test(path));
const scramble = (path: string, size = statSync(path).size) =>
  writeFileSync(path, randomBytes(size, 7));
const wal = (file: Files) => {
  const name = readdirSync(file('pg_wal')).find((one) => /^[0-9A-F]{24}$/.test(one));
  return file(`pg_wal/${name}`);
};

const damages: Readonly<Record<string, (file: Files) => void>> = {
  'the control file is overwritten': (file) => scramble(file('global/pg_control')),
  'the control file is empty': (file) => truncateSync(file('global/pg_control'), 0),
  'the log is overwritten': (file) => scramble(wal(file)),
  'the log is cut': (file) => truncateSync(wal(file), 100),
  'PG_VERSION is gone': (file) => rmSync(file('PG_VERSION')),
  'tables of the queue are overwritten': (file) => {
    for (const path of ours(file)) scramble(path);
  },
  'tables of the queue are empty': (file) => {
    for (const path of ours(file)) truncateSync(path, 0);
  },
  'the catalogue is cut': (file) => {
    for (const path of base(file)) truncateSync(path, 100);
  },
  'a file is in its place': (file) => {
    rmSync(file(''), { recursive: true });
    writeFileSync(file(''), 'hello');
  },
};

/** Damages tried on a database that was not closed in order: the check must find them. */
const afterKill = [
  'the control file is empty',
  'the log is overwritten',
  'the log is cut',
  'tables of the queue are overwritten',
];

test.each(Object.keys(damages))(
  'set aside when %s',
  async (name) => {
    const { folder, file } = await copyOf(sound);
    if (afterKill.includes(name)) rmSync(join(folder, 'clean'));
    damages[name]?.(file);
    const { pool, entries, warnings } = await opened(folder);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/is damaged .* set aside as .*damaged-/);
    expect(await entries.getJob('first')).toBeUndefined();
    await entries.add('run', {}, { jobId: 'second' });
    expect((await entries.getJob('second'))?.id).toBe('second');
    await pool.end();
    expect(readdirSync(folder).filter((one) => one.startsWith('damaged'))).toHaveLength(1);
  },
  120_000,
);

test('a damaged index is rebuilt after a kill', async () => {
  const { folder, file } = await copyOf(sound);
  rmSync(join(folder, 'clean'));
  const state = await opened((await copyOf(sound)).folder);
  const { rows } = await state.pool.query<{ path: string }>(
    "SELECT pg_relation_filepath(indexrelid) AS path FROM pg_index WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'bullmq'::regnamespace AND relkind = 'r')",
  );
  await state.pool.end();
  expect(rows.length).toBeGreaterThan(3);
  for (const { path } of rows) if (statSync(file(path)).size > 8192) scramble(file(path));
  const { pool, entries, warnings } = await opened(folder);
  // It works, whether or not its entries could be saved.
  await entries.add('run', {}, { jobId: 'second' });
  expect((await entries.getJob('second'))?.id).toBe('second');
  if (warnings.length === 0) expect((await entries.getJob('first'))?.id).toBe('first');
  await pool.end();
}, 120_000);

test('damage found by a query is reported once, and the next opening sets the database aside', async () => {
  const { folder, file } = await copyOf(sound);
  const { pool, entries, broken } = await opened(folder);
  // Outside the queue's own schema, whose rows are read when it is opened.
  await pool.query('CREATE TABLE public.victim AS SELECT generate_series(1, 1000) AS n');
  const { rows } = await pool.query<{ path: string }>(
    "SELECT pg_relation_filepath('public.victim') AS path",
  );
  await pool.end();
  const second = await opened(folder);
  scramble(file(rows[0]?.path ?? ''));
  await expect(second.pool.query('SELECT nothing')).rejects.toThrow('nothing');
  expect([...broken, ...second.broken]).toEqual([]);
  await expect(second.pool.query('SELECT count(*) FROM public.victim')).rejects.toThrow(
    'invalid page',
  );
  await expect(second.pool.query('SELECT 1')).rejects.toThrow('invalid page');
  await vi.waitFor(() => expect(second.broken).toHaveLength(1));
  await entries.close();
  await second.entries.close();
  await second.pool.end();
  const again = await opened(folder);
  expect(again.warnings).toHaveLength(1);
  await again.pool.end();
}, 120_000);

test('files that the account may not write are no damage', async () => {
  const { folder, file } = await copyOf(sound);
  giveTo(serverAccount(), folder);
  chmodSync(file('global/pg_control'), 0o400);
  const before = readdirSync(folder).sort();
  await asOrdinary(() =>
    expect(openFolder(folder, { onWarning: () => {} })).rejects.toMatchObject({
      kind: 'io',
      code: 'EACCES',
      hint: expect.stringContaining('account'),
    }),
  );
  expect(readdirSync(folder).sort()).toEqual(before);
});

/** Does something as the servers' account, since root may write everything. */
async function asOrdinary(work: () => Promise<void>): Promise<void> {
  if (!isRoot) return work();
  const { uid, gid } = serverAccount();
  process.setegid?.(gid);
  process.seteuid?.(uid);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}
