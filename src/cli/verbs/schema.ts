/** `ferryline schema`: prints the JSON schema of jobs.yml, for editors, or its reference as Markdown. */
import { jsonSchema } from '../../jobs/config/schema.js';
import type { Context } from '../context.js';

export interface SchemaFlags {
  readonly docs?: true;
}

export async function schema({ docs }: SchemaFlags, { output }: Context): Promise<number> {
  if (docs === true) {
    const { referencePage } = await import('../../jobs/config/reference.js');
    output.data(referencePage());
  } else output.data(JSON.stringify(jsonSchema(), null, output.json ? undefined : 2));
  return 0;
}
