/** What a refusal to set attributes means: mostly nothing. */
import { FerryError } from '../core/errors.js';

/** Throws what is more than a side's saying no: what counts otherwise is what is stored afterwards, and that is looked at. */
export function mustCount(error: unknown): void {
  const code = error instanceof FerryError && error.kind === 'io' ? error.code : undefined;
  if (code === undefined || ['ENOENT', 'ENOSPC', 'EIO'].includes(code)) throw error;
}
