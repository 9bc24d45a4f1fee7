import { describe, expect, test } from 'vitest';
import {
  actionLine,
  failureLines,
  fileLine,
  planLine,
  summaryLine,
} from '../../../src/cli/show/summary.js';
import type { PlanEvent, Report } from '../../../src/core/events.js';

const report: Report = {
  run: '20261124T020000Z-aaaaaaaa',
  job: 'nightly',
  operation: 'mirror',
  trigger: 'manual',
  outcome: 'succeeded',
  exitCode: 0,
  startedAt: '2026-11-24T02:00:00.000Z',
  endedAt: '2026-11-24T02:00:04.200Z',
  seconds: 4.2,
  files: { copied: 12, attrs: 0, deleted: 2, unchanged: 4988, skipped: 0, failed: 0 },
  bytes: 3_500_000,
  sessions: 1,
  attempt: 1,
  verified: 'size',
  failures: [],
  failuresOmitted: 0,
};
const none = { copied: 0, attrs: 0, deleted: 0, unchanged: 0, skipped: 0, failed: 0 };

describe('the summary', () => {
  test.each<[string, Partial<Report>, string]>([
    [
      'of a run that moved something',
      {},
      'succeeded: 12 copied (3.3 MiB), 2 deleted, 4,988 unchanged in 4.2 s (814 KiB/s), 1 session, verified by size',
    ],
    [
      'of one with nothing to do',
      { files: none, bytes: 0, seconds: 0.35 },
      'succeeded: nothing to do in 350 ms, 1 session',
    ],
    [
      'of one that got nowhere',
      { outcome: 'failed', exitCode: 4, files: none, bytes: 0, seconds: 0.35, sessions: 0 },
      'failed after 350 ms',
    ],
    [
      'of a busy source',
      {
        files: { ...none, copied: 1, vanished: 2 },
        ...{ bytes: 9, seconds: 0.1, notGuaranteed: ['live'] },
      },
      'succeeded: 1 copied (9 B), 2 vanished in 100 ms, 1 session, verified by size, growing files as of when they were opened',
    ],
    [
      'of a moment, without a rate',
      { files: { ...none, copied: 1 }, bytes: 9, seconds: 0.1, verified: 'checksum' },
      'succeeded: 1 copied (9 B) in 100 ms, 1 session, verified by checksum',
    ],
    [
      'of a failed attempt over two remotes',
      {
        outcome: 'incomplete',
        files: { ...none, copied: 1, skipped: 3, failed: 2 },
        bytes: 10,
        seconds: 1,
        sessions: 2,
        attempt: 3,
        verified: 'none',
      },
      'incomplete: 1 copied (10 B), 3 skipped, 2 failed in 1.0 s (10 B/s), 2 sessions, not verified, attempt 3',
    ],
  ])('%s', (_, change, expected) => {
    expect(summaryLine({ ...report, ...change })).toBe(expected);
  });

  test('lists twenty failures, escaped, and counts the rest', () => {
    const failures = Array.from({ length: 25 }, (_, i) => ({
      path: `a\nb${i}`,
      kind: 'io' as const,
      message: 'permission denied\x1b[2J',
    }));
    const lines = failureLines({ ...report, failures, failuresOmitted: 1000 });
    expect(lines).toHaveLength(21);
    expect(lines[0]).toBe('a\\nb0: permission denied\\x1b[2J (io)');
    expect(lines[20]).toBe('and 1,005 more');
    expect(failureLines(report)).toEqual([]);
  });
});

test('a plan in one line', () => {
  const empty: PlanEvent = {
    event: 'plan',
    job: 'nightly',
    mkdirs: 0,
    renames: 0,
    copies: 0,
    attrs: 0,
    deletes: 0,
    conflicts: 0,
    bytes: 0,
    mtimeOnly: 0,
    digest: '',
  };
  expect(planLine(empty)).toBe('nothing to do');
  expect(
    planLine({ ...empty, mkdirs: 1, copies: 12, bytes: 4096, attrs: 1, deletes: 2, conflicts: 1 }),
  ).toBe(
    '1 folder to make, 12 files to copy (4.0 KiB), 1 file to give new attributes, 2 to delete, 1 conflict',
  );
});

test('an action in one line, whatever its name holds', () => {
  expect(
    actionLine({
      event: 'action',
      action: 'copy',
      path: 'a\x1b[31m/b\n',
      bytes: 12,
      reason: 'new',
    }),
  ).toBe('copy      a\\x1b[31m/b\\n  (12 B, new)');
  expect(actionLine({ event: 'action', action: 'delete', path: 'old' })).toBe('delete    old');
  expect(
    fileLine({ event: 'file', action: 'skip', path: 'l', kind: 'link', message: 'a link' }),
  ).toBe('skip      l  (link, a link)');
});
