/**
 * BullMQ's PostgreSQL backend with a reader that misses no event. BullMQ numbers events from a
 * sequence and reads those above the highest number it has read. Of two transactions that end at the
 * same time, the one with the lower number may commit last, and BullMQ never reads its event. This
 * reader looks below its highest number again.
 */
import { createPostgresBackend } from 'bullmq';
import type { Pool } from 'pg';

/** How far below the highest number an event is still found. All queues share the numbers. */
const numbersReadAgain = 1000;

type Events = [id: string, fields: string[]][];

/** As `createPostgresBackend`; the connection in its options must be a `pg` pool. */
export const createCompleteBackend: typeof createPostgresBackend = (queue, options, more) => {
  const backend = createPostgresBackend(queue, options, more);
  const pool = options.connection as unknown as Pool;
  const readNewer = backend.readEvents.bind(backend);
  /** Numbers up to `start` are older than this reader; `highest` is the highest one read. */
  let start: number | undefined;
  let highest = 0;
  let delivered = new Set<number>();
  let closed = false;
  backend.once('close', () => {
    closed = true;
  });

  const readMissed = async (newer: Events): Promise<Events> => {
    const from = Math.max(start ?? 0, highest - numbersReadAgain);
    const known = [...delivered, ...newer.map(([id]) => Number(id))];
    const { rows } = await pool.query<{ id: string; event: string; data: object | null }>(
      'SELECT id, event, data FROM event WHERE queue = $1 AND id > $2 AND id <> ALL($3::bigint[]) ORDER BY id',
      [queue, from, known],
    );
    return rows.map(({ id, event, data }) => {
      const fields = Object.entries(data ?? {}).flatMap(([key, value]) => [key, String(value)]);
      return [id, ['event', event, ...fields]];
    });
  };

  /** Ignores BullMQ's cursor: after a missed event it would go back to that one. */
  backend.readEvents = async (_cursor, waitMs) => {
    if (start === undefined) {
      const { rows } = await pool.query<{ last: string }>(
        'SELECT coalesce(max(id), 0) AS last FROM event WHERE queue = $1',
        [queue],
      );
      start = Number(rows[0]?.last ?? 0);
      highest = start;
    }
    const newer: Events = (await readNewer(String(highest), waitMs))?.[0]?.[1] ?? [];
    const events = closed ? newer : [...newer, ...(await readMissed(newer))];
    for (const [id] of events) {
      delivered.add(Number(id));
      highest = Math.max(highest, Number(id));
    }
    delivered = new Set([...delivered].filter((id) => id > highest - numbersReadAgain));
    return events.length === 0 ? null : [['events', events]];
  };
  return backend;
};
