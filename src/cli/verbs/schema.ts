/** `ferryline schema`: prints the JSON schema of jobs.yml, for editors, or its reference as Markdown. */
import { FerryError } from '../../core/errors.js';
import { escapeText } from '../../core/text.js';
import { didYouMean } from '../../jobs/config/problems.js';
import { jsonSchema } from '../../jobs/config/schema.js';
import type { Context } from '../context.js';

export interface SchemaFlags {
  readonly docs?: true;
}

export async function schema(
  keys: readonly string[],
  { docs }: SchemaFlags,
  { output }: Context,
): Promise<number> {
  if (keys.length > 0) output.data(await explained(keys));
  else if (docs === true) {
    const { referencePage } = await import('../../jobs/config/reference-page.js');
    output.data(referencePage());
  } else output.data(JSON.stringify(jsonSchema(), null, output.json ? undefined : 2));
  return 0;
}

/** What the reference says of keys. Errors: `config` for a word that is none. */
async function explained(keys: readonly string[]): Promise<string> {
  const { referenceNames, referenceOf } = await import('../../jobs/config/reference-page.js');
  const texts = keys.map((key) => {
    const text = referenceOf(key);
    if (text !== undefined) return text;
    const names = referenceNames();
    const words = key.includes('.') ? names : names.map((name) => name.replace(/^\w+\./, ''));
    throw new FerryError(
      'config',
      `jobs.yml has no key "${escapeText(key)}"${didYouMean(key, words)}`,
      {
        hint: '`ferryline schema --docs` prints all of them',
      },
    );
  });
  return texts.join('\n\n');
}
