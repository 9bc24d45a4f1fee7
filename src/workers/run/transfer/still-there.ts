/** The error for a removal that a server answered with OK, and did not do. */
import { FerryError } from '../../../core/errors.js';

export function isStillThere(path: string, hint: string): FerryError {
  const message = 'the server says that it removed this, but it is still there';
  return new FerryError('io', message, { path, hint });
}
