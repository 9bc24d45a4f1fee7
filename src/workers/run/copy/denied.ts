/** Which side refuses a file for want of permission, and where: the report names a path that both sides have. */
import { FerryError } from '../../../core/errors.js';
import { escapeText } from '../../../core/text.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';

/** The error with the side's label and the whole path in its message, if it is a refusal; any other error as it is. */
export function deniedAt(
  side: Pick<Endpoint, 'label'>,
  path: string,
  what: 'read' | 'written to',
  thrown: unknown,
): unknown {
  if (!(thrown instanceof FerryError) || thrown.kind !== 'io' || thrown.code !== 'EACCES')
    return thrown;
  const { label } = side;
  const where = path === '' || /[/:]$/.test(label) ? label + path : `${label}/${path}`;
  return new FerryError('io', `${thrown.message}: ${escapeText(where)} can't be ${what}`, {
    path: thrown.path ?? path,
    code: 'EACCES',
    cause: thrown,
    hint: 'give the account that ferryline uses there the right to, then run the job again',
  });
}
