/** A store's answers, awaited for a limited time: its clients wait for a lost connection for ever, people don't. */
import { FerryError } from '../core/errors.js';

/** A store that has not answered by then counts as unreachable. */
const answerWithinMs = 10_000;
/** SQLSTATE of PostgreSQL (manual, appendix A). */
const diskFull = '53100';

/** Resolves to a store's answer. Errors: `network` when it fails or takes too long; a FerryError passes through. */
export async function answered<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(unanswered(`no answer within ${answerWithinMs / 1000} s`)),
      answerWithinMs,
    );
  });
  try {
    return await Promise.race([answer, late]);
  } catch (error) {
    throw error instanceof FerryError ? error : unanswered((error as Error).message, error);
  } finally {
    clearTimeout(timer);
  }
}

function unanswered(why: string, cause?: unknown): FerryError {
  const { code } = (cause ?? {}) as { readonly code?: unknown };
  return new FerryError('network', `the queue did not take or answer a request: ${why}`, {
    cause,
    hint:
      code === diskFull
        ? 'free space on the disk that holds the queue: with `queue: embedded`, that of the state folder'
        : 'check the server that `queue` in jobs.yml names',
  });
}
