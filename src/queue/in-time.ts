/** What a store must answer within a limited time: its clients would wait for a lost connection for ever. */

/** A store that has not answered by then counts as unreachable. */
const answerWithinMs = 10_000;

/** Resolves as `answer` does. Rejects as it does, too, and after `withinMs` without an answer. */
export async function inTime<T>(answer: Promise<T>, withinMs = answerWithinMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const why = () => new Error(`no answer within ${withinMs / 1000} s`);
    timer = setTimeout(() => reject(why()), withinMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
