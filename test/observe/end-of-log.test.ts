/** The last lines of a log, which are kept elsewhere: whole ones, 16 KiB at most, without the run's own end. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { endOfLog } from '../../src/observe/end-of-log.js';
import { runLogFile, runLogsFolder } from '../../src/state/layout.js';
import { temporaryFolder } from '../kit/files/temporary.js';

const run = '20261124T020000Z-aaaaaaaa';
const line = (n: number, length = 100) =>
  JSON.stringify({ event: 'file', n, path: 'x'.repeat(length) });

async function endOf(text: string): Promise<string[]> {
  const state = await temporaryFolder();
  mkdirSync(runLogsFolder(state));
  writeFileSync(runLogFile(state, run), text);
  return endOfLog(state, run);
}

test('of a short log it is all, without the end that the report has', async () => {
  const lines = [line(1), line(2)];
  const end = JSON.stringify({ event: 'run', failures: 'y'.repeat(500_000) });
  expect(await endOf(`${[...lines, end].join('\n')}\n`)).toEqual(lines);
  expect(await endOfLog(await temporaryFolder(), run)).toEqual([]);
});

test('of a long one it is the last 16 KiB, in whole lines', async () => {
  const lines = Array.from({ length: 20_000 }, (_, n) => line(n));
  const kept = await endOf(`${lines.join('\n')}\n`);
  expect(kept).toEqual(lines.slice(-kept.length));
  const bytes = Buffer.byteLength(kept.join('\n')) + 1;
  expect(bytes).toBeLessThanOrEqual(16 * 1024);
  expect(bytes).toBeGreaterThan(16 * 1024 - 200);
});
