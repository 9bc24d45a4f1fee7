/**
 * Work that has one file open and needs a second one, on a side that opens no more. If all such work waited,
 * each would keep what another waits for. So one waits, and the rest give way: their second open is refused
 * with this code, they close what they have, and begin again.
 */
import { FerryError } from '../core/errors.js';

const code = 'EGIVEWAY';

export function giveWay(): FerryError {
  return new FerryError('io', 'the server opens no more files at once', { code });
}

/** Whether an open was refused so that other work can go on: to be tried again once the caller has closed what it has. */
export function isGivingWay(error: unknown): boolean {
  return error instanceof FerryError && error.code === code;
}

/** Repeats work whose opens give way; it has to close what it opened before it rejects. */
export async function untilNotGivingWay<T>(
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isGivingWay(error)) throw error;
      signal.throwIfAborted();
    }
  }
}
