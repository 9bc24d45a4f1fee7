/** What a refusal to set attributes means: usually nothing. */
import { FerryError } from '../core/errors.js';

/** Rethrows errors that are not a mere refusal. A refusal is ignored: the stored attributes are checked afterwards. */
export function ignoreRefusal(error: unknown): void {
  const code = error instanceof FerryError && error.kind === 'io' ? error.code : undefined;
  if (code === undefined || ['ENOENT', 'ENOSPC', 'EIO'].includes(code)) throw error;
}
