/** Waiting that an AbortSignal can end. */

/**
 * A promise that also rejects, with the signal's reason, once the signal is aborted. Its listener is
 * removed when it settles. `start` may return a function that undoes the wait: it is called when the
 * signal ends it. If the signal is aborted already, `start` is not called.
 */
export function abortable<T>(
  signal: AbortSignal,
  start: (
    resolve: (value: T) => void,
    reject: (reason: unknown) => void,
  ) => (() => void) | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    let undo: (() => void) | undefined;
    const abort = () => {
      reject(signal.reason);
      undo?.();
    };
    signal.addEventListener('abort', abort, { once: true });
    const leave = () => signal.removeEventListener('abort', abort);
    undo = start(
      (value) => {
        leave();
        resolve(value);
      },
      (reason) => {
        leave();
        reject(reason);
      },
    );
  });
}

/** The outcome of `work`, or a rejection with the signal's reason if that comes first; the work itself goes on. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => {}); // nobody awaits the work after an abort
  return abortable(signal, (resolve, reject) => void work.then(resolve, reject));
}

/** Resolves once the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
