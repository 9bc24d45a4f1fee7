/** What ran in the last 24 hours, in short: how runs ended, what did not run, which jobs moved nothing although they usually do. */
import { z } from '@hono/zod-openapi';
import { runTime } from '../../core/run-id.js';
import type { RunTable } from '../../state/run-table.js';
import type { Reads } from './reads.js';
import { outcomes } from './run-schemas.js';

const dayMs = 24 * 3600_000;
/** Slots that are looked at: the newest ones that the queue keeps. */
const mostSlots = 5000;
/** Runs of a job that say what it usually does, and how many of them must have moved something. */
const usualRuns = 20;
const leastUsual = 5;
const usualShare = 0.8;

export const lastDay = z
  .object({
    since: z.string().openapi({ description: 'ISO 8601, UTC' }),
    outcomes: z
      .record(z.enum(outcomes), z.int())
      .openapi({ description: 'How many runs ended in which way' }),
    didNotRun: z.int().optional().openapi({
      description: 'Slots that made no run; absent while the queue is out of reach',
    }),
    movedNothing: z.array(z.string()).openapi({
      description: 'Jobs whose newest run moved nothing, although most of those before did',
    }),
  })
  .openapi('LastDay');

export async function lastDayOf(reads: Reads, now: number): Promise<z.infer<typeof lastDay>> {
  const since = now - dayMs;
  const table = await reads.table();
  const counted = { succeeded: 0, incomplete: 0, failed: 0, refused: 0, cancelled: 0 };
  const ran = new Set<string>();
  const all = table.all();
  for (let at = all.length - 1; at >= 0; at--) {
    const run = all[at];
    if (run === undefined || (runTime(run.run) ?? 0) < since) break;
    counted[run.outcome]++;
    ran.add(run.job);
  }
  const skipped = reads.isUp() ? await reads.skipped(undefined, mostSlots) : undefined;
  const didNotRun = skipped
    ?.filter(({ slot }) => Date.parse(slot) >= since && Date.parse(slot) <= now)
    .reduce((sum, { count = 1 }) => sum + count, 0);
  return {
    since: new Date(since).toISOString(),
    outcomes: counted,
    ...(didNotRun !== undefined && { didNotRun }),
    movedNothing: [...ran].filter((job) => isUnusuallyIdle(job, table)).sort(),
  };
}

function isUnusuallyIdle(job: string, table: RunTable): boolean {
  const [newest, ...before] = table
    .newest({ job, limit: usualRuns + 1, idle: true })
    .filter(({ outcome }) => outcome === 'succeeded');
  if (newest?.idle !== true || before.length < leastUsual) return false;
  return before.filter(({ idle }) => !idle).length >= before.length * usualShare;
}
