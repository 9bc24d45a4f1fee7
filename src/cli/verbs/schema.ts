/** `ferryline schema`: prints the JSON schema of jobs.yml, for editors. */
import { jsonSchema } from '../../jobs/config/schema.js';
import type { Context } from '../context.js';

export function schema({ output }: Context): number {
  output.data(JSON.stringify(jsonSchema(), null, output.json ? undefined : 2));
  return 0;
}
