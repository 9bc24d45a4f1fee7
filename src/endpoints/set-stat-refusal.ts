/** What a refusal to set attributes means: usually nothing. */
import { FerryError } from '../core/errors.js';

/**
 * Rethrows errors that are not a mere refusal. A refusal is ignored: the stored attributes are checked
 * afterwards. So is "no such file", with which some servers refuse: the check shows whether it is true.
 */
export function ignoreRefusal(error: unknown): void {
  const code = error instanceof FerryError && error.kind === 'io' ? error.code : undefined;
  if (code === undefined || ['ENOSPC', 'EIO'].includes(code)) throw error;
}
