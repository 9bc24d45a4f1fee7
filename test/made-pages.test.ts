/** Pages and files that are made from the sources are up to date; `npm run docs` makes them again. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { referencePage } from '../src/jobs/config/reference-page.js';
import { jsonSchema } from '../src/jobs/config/schema.js';
import { apiDocument } from './kit/api-document.js';
import { commandPage } from './kit/command-page.js';
import { withFigures } from './kit/figures.js';

const made = (file: string) => join(import.meta.dirname, '..', file);
const whatToDo = 'it is made from the sources: type `npm run docs`, and commit the file';

test('jobs.schema.json is what `ferryline schema` prints', () =>
  expect(`${JSON.stringify(jsonSchema(), null, 2)}\n`, whatToDo).toMatchFileSnapshot(
    made('jobs.schema.json'),
  ));

test('docs/jobs-yml.md is what `ferryline schema --docs` prints', () =>
  expect(`${referencePage()}\n`, whatToDo).toMatchFileSnapshot(made('docs/jobs-yml.md')));

test('docs/command-flags.md has every command with its flags', () =>
  expect(`${commandPage()}\n`, whatToDo).toMatchFileSnapshot(made('docs/command-flags.md')));

test('docs/openapi.json is what the API says of itself', () =>
  expect(`${JSON.stringify(apiDocument(), null, 2)}\n`, whatToDo).toMatchFileSnapshot(
    made('docs/openapi.json'),
  ));

test('the figures in README.md are those of BENCHMARKS.md', () => {
  const [readme = '', benchmarks = ''] = ['README.md', 'BENCHMARKS.md'].map((file) =>
    readFileSync(made(file), 'utf8'),
  );
  return expect(withFigures(readme, benchmarks), whatToDo).toMatchFileSnapshot(made('README.md'));
});
