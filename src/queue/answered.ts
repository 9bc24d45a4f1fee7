/** A store's answers, awaited for a limited time: its clients wait for a lost connection for ever, people don't. */
import { FerryError } from '../core/errors.js';
import { inTime } from './in-time.js';

/** SQLSTATE of PostgreSQL (manual, appendix A). */
const diskFull = '53100';

/** Resolves to a store's answer. Errors: `network` when it fails or takes too long; a FerryError passes through. */
export async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await inTime(answer);
  } catch (error) {
    throw error instanceof FerryError ? error : unanswered((error as Error).message, error);
  }
}

function unanswered(why: string, cause: unknown): FerryError {
  const { code } = (cause ?? {}) as { readonly code?: unknown };
  return new FerryError('network', `the queue did not take or answer a request: ${why}`, {
    cause,
    hint:
      code === diskFull
        ? 'free space on the disk that holds the queue: with `queue: embedded`, that of the state folder'
        : 'check the server that `queue` in jobs.yml names',
  });
}
