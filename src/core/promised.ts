/** Work as a promise, whichever way it fails. */

/** Begins work; what it throws at once is the promise's rejection, as in an async function, which costs several times as much. */
export function promised<T>(work: () => Promise<T>): Promise<T> {
  try {
    return work();
  } catch (error) {
    return Promise.reject(error);
  }
}
