/** The embedded queue's folder: made, kept small, killed, damaged. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { openFolder } from '../../../src/queue/store/embedded.js';
import { openPglite, tidy } from '../../../src/queue/store/pglite.js';
import { builtModule } from '../../kit/built.js';
import { temporaryFolder } from '../../kit/files/temporary.js';

const quiet = (message: string) => {
  throw new Error(message);
};

test('a database is made under another name, and a half-made one that a kill left is removed', async () => {
  const folder = await temporaryFolder();
  writeFileSync(join(folder, 'making-half'), 'x');
  const pool = await openFolder(folder, { onWarning: quiet });
  expect(readdirSync(folder)).toEqual(['pglite']);
  await pool.end();
}, 60_000);

test('a database that cannot be opened is set aside with a warning, and a new one is made', async () => {
  const folder = await temporaryFolder();
  writeFileSync(join(folder, 'pglite'), 'no database');
  const warnings: string[] = [];
  const pool = await openFolder(folder, { onWarning: (message) => warnings.push(message) });
  expect((await pool.query<{ one: number }>('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  expect(warnings).toHaveLength(1);
  const aside = readdirSync(folder).find((name) => name.startsWith('damaged-')) ?? '';
  expect(warnings[0]).toContain(aside);
  expect(readFileSync(join(folder, aside), 'utf8')).toBe('no database');
  await pool.end();
}, 60_000);

test('the log of changes is cut and the space of deleted rows is used again', async () => {
  const folder = await temporaryFolder();
  const pool = await openFolder(folder, { onWarning: quiet });
  const log = join(folder, 'pglite/pg_wal');
  const bytes = () =>
    readdirSync(log)
      .map((name) => statSync(join(log, name)))
      .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
  const table = async () => {
    const sql = "SELECT pg_relation_size('bullmq.event') AS size";
    return Number((await pool.query<{ size: string }>(sql)).rows[0]?.size);
  };
  const round = async () => {
    await pool.query(
      "INSERT INTO event (queue, event, data, created_at_ms) SELECT 'q', 'e', jsonb_build_object('x', md5(n::text)), n FROM generate_series(1, 20000) n",
    );
    await pool.query('DELETE FROM event');
  };
  await round();
  const once = await table();
  for (let i = 0; i < 5; i++) {
    await tidy(pool);
    await round();
  }
  expect(await table()).toBeLessThan(2 * once);
  for (let i = 0; i < 2; i++) await tidy(pool);
  expect(bytes()).toBeLessThan(20 * 1024 * 1024);
  await pool.end();
}, 60_000);

test('kill -9 at any moment loses no row that was acknowledged', async () => {
  const folder = await temporaryFolder();
  await (await openFolder(folder, { onWarning: quiet })).end();
  const database = join(folder, 'pglite');
  const module = await builtModule('queue/store/pglite.ts');
  const program = `
    const { openPglite } = await import(${JSON.stringify(module)});
    const pool = await openPglite(${JSON.stringify(database)});
    await pool.query('CREATE TABLE IF NOT EXISTS public.acknowledged (n int)');
    const from = Number((await pool.query('SELECT count(*) AS n FROM public.acknowledged')).rows[0].n);
    for (let n = from; ; n++) {
      await pool.query('INSERT INTO public.acknowledged VALUES ($1)', [n]);
      process.stdout.write(n + '\\n');
    }`;
  let last = -1;
  for (const after of [1, 40, 300]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    let seen = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      last = Number(line);
      if (++seen === after) child.kill('SIGKILL');
    }
    await ended;
  }
  const pool = await openPglite(database);
  const { rows } = await pool.query<{ n: number }>('SELECT n FROM public.acknowledged ORDER BY n');
  expect(rows.length).toBeGreaterThan(last);
  expect(rows.map(({ n }) => n)).toEqual(rows.map((_, i) => i));
  await pool.end();
}, 60_000);
