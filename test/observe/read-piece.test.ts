/** Pieces of a log: one after the other they are the whole of it, wherever they end. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mostReportBytes } from '../../src/core/cut-report.js';
import { mostPieceBytes, type PieceWanted, pieceOf } from '../../src/core/run-piece.js';
import { readPiece } from '../../src/observe/read-piece.js';
import { reportOf } from '../kit/daemons/controls.js';
import { temporaryFolder } from '../kit/files/temporary.js';

const wanted = (change: Partial<PieceWanted> = {}): PieceWanted => {
  return { run: 'r', part: 'all', from: 0, limit: 500, ...change };
};

/** All lines, piece by piece, and the sizes of the pieces. */
async function wholeOf(path: string, change: Partial<PieceWanted> = {}) {
  const lines: string[] = [];
  for (let from = 0; ; ) {
    const piece = await readPiece(path, wanted({ ...change, from }));
    if (piece === undefined) throw new Error('there is no file');
    expect(Buffer.byteLength(piece.lines.join(''))).toBeLessThanOrEqual(mostPieceBytes);
    lines.push(...piece.lines);
    if (!piece.more) return lines;
    expect(piece.next).toBeGreaterThan(from);
    from = piece.next;
  }
}

test('pieces of any log are the whole of it, in order', async () => {
  const path = join(await temporaryFolder(), 'log');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ event: fc.constant('file'), path: fc.string({ maxLength: 20_000 }) }), {
        maxLength: 30,
      }),
      fc.integer({ min: 1, max: 40 }),
      async (events, limit) => {
        const lines = events.map((event) => JSON.stringify(event));
        writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
        expect(await wholeOf(path, { limit })).toEqual(lines);
      },
    ),
    { numRuns: 60 },
  );
});

test('a line that is still being written comes with the next piece; what a crash cut short is passed over', async () => {
  const path = join(await temporaryFolder(), 'log');
  expect(await readPiece(path, wanted())).toBeUndefined();
  writeFileSync(path, '{"event":"a"}\n{"event":\n{"event":"b"');
  const first = await readPiece(path, wanted());
  expect(first).toMatchObject({ lines: ['{"event":"a"}'], more: false });
  appendFileSync(path, '}\n');
  const second = await readPiece(path, wanted({ from: first?.next ?? 0 }));
  expect(second?.lines).toEqual(['{"event":"b"}']);
  // from where no line begins, and beyond the end
  expect((await readPiece(path, wanted({ from: 3 })))?.lines).toEqual(['{"event":"b"}']);
  expect(await readPiece(path, wanted({ from: 10_000 }))).toMatchObject({ lines: [], more: false });
});

test('of a long log a filter goes through some MiB for each piece', async () => {
  const path = join(await temporaryFolder(), 'log');
  const line = `${JSON.stringify({ event: 'file', path: 'x'.repeat(1000) })}\n`;
  writeFileSync(path, line.repeat(9000) + line.replace('xxx', 'yes'));
  const first = await readPiece(path, wanted({ part: 'log', q: 'YESx' }));
  expect(first).toMatchObject({ lines: [], more: true });
  expect(first?.next).toBeLessThan(5 * 1024 * 1024);
  expect(await wholeOf(path, { part: 'log', q: 'YESx' })).toHaveLength(1);
});

test('a run’s end that names a thousand failures is cut to what is essential', async () => {
  const path = join(await temporaryFolder(), 'log');
  const failure = { path: 'p'.repeat(400), kind: 'io', message: 'denied' } as const;
  const report = reportOf('r', { failures: Array(1000).fill(failure), outcome: 'incomplete' });
  writeFileSync(path, `${JSON.stringify({ event: 'run', ...report })}\n`);
  const [line = ''] = await wholeOf(path);
  expect(JSON.parse(line)).toMatchObject({ event: 'run', cut: true, outcome: 'incomplete' });
  expect(Buffer.byteLength(line)).toBeLessThan(mostReportBytes + 100);
  // they are a list of their own
  let from = 0;
  let count = 0;
  for (let more = true; more; ) {
    const piece = pieceOf(report.failures, wanted({ from, limit: 700 }));
    count += piece.lines.length;
    ({ next: from, more } = piece);
  }
  expect(count).toBe(1000);
  expect(pieceOf(report.failures, wanted({ kind: 'auth' }))).toMatchObject({ lines: [] });
});
