/** `ferryline schema`: prints the JSON schema of jobs.yml, for editors, its reference as Markdown, or what keys are for. */
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
  context: Context,
): Promise<number> {
  const { output } = context;
  if (keys.length > 0) await explain(keys, context);
  else if (docs === true) {
    const { referencePage } = await import('../../jobs/config/reference-page.js');
    output.data(referencePage());
  } else output.data(JSON.stringify(jsonSchema(), null, output.json ? undefined : 2));
  return 0;
}

/** Prints what keys are for. Errors: `config` for a word that is none, before anything is printed. */
async function explain(wanted: readonly string[], { output }: Context): Promise<void> {
  const { allKeyNames, findKeys } = await import('../../jobs/config/find-keys.js');
  const { keyLines } = await import('../show/key-lines.js');
  const found = wanted.flatMap((word) => {
    const keys = findKeys(word);
    if (keys.length > 0) return keys;
    const names = allKeyNames();
    const close = didYouMean(word, [...names, ...names.map((name) => name.replace(/^\w+\./, ''))]);
    throw new FerryError('config', `jobs.yml has no key "${escapeText(word)}"${close}`, {
      hint: '`ferryline schema --docs` prints all of them',
    });
  });
  for (const each of found) {
    const { path: _path, ...key } = each.key;
    if (output.json) output.record({ event: 'key', time: new Date().toISOString(), ...key });
    else output.data(keyLines(each).join('\n'));
  }
}
