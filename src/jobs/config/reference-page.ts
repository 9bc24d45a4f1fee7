/** The reference of jobs.yml as Markdown: docs/jobs-yml.md, and what `ferryline schema` prints. */
import { type ReferenceKey, type ReferenceSection, reference } from './reference.js';
import { everybody, since, uses } from './reference-uses.js';
import { keyNameOf } from './schema-keys.js';

const firstVersion = '0.1.0';

/** The whole page. */
export function referencePage(): string {
  const sections = reference();
  const all = sections.flatMap(({ keys }) => keys);
  const usable = all.filter(({ planned }) => !planned);
  const known = new Map(usable.map((key) => [key.name, key]));
  const ofUses = new Set([...everybody, ...uses.flatMap(({ keys }) => keys)]);
  const rare = usable.filter(({ name, path }) => path.length === 1 && !ofUses.has(name));
  const named = (names: readonly string[]) => names.flatMap((name) => known.get(name) ?? []);
  return [
    '# Keys of jobs.yml',
    '<!-- Made from the schema by `npm run docs`: change the schema, not this page. -->',
    'Every key: what it does, what it takes, its default, an example, and the first version that has it. `ferryline schema --docs` prints this page, `ferryline schema jobs.delete` a single key, and `ferryline schema` the schema for editors.',
    'Texts may contain `${VAR}`, `${VAR:-default}`, `${file:PATH}` and `${credential:NAME}`; passwords and passphrases also `${secret:NAME}`. An optional key of a remote or job may be `false`: it is off then, whatever `defaults` say.',
    '## Keys that everybody uses',
    index(named(everybody)),
    '## Keys for your use',
    ...uses.flatMap(({ title, keys }) => [`### ${title}`, index(named(keys))]),
    '## Rare keys',
    index(rare),
    ...sections.flatMap(sectionText),
    '## Planned',
    'These keys are known, and refused so far.',
    all
      .filter(({ planned }) => planned)
      .map(({ name, text }) => `- ${anchor(name)}\`${name}\`: ${text}`)
      .join('\n'),
  ].join('\n\n');
}

/**
 * What the page says of keys, each by its name (`jobs.delete.max`), its path in a jobs.yml
 * (`jobs.nightly.delete.max`) or the end of its name (`delete.max`). A text that names no key is undefined.
 */
export function referenceOf(wanted: string): string | undefined {
  const sections = reference();
  const all = sections.flatMap(({ keys }) => keys);
  const names = namesOf(wanted, all);
  if (names.length === 0) return undefined;
  const texts = all.filter(({ name }) => names.includes(name)).map((key) => keyText(key, all));
  const inside = sections.filter(
    ({ place: [first] }) => first !== undefined && names.includes(first),
  );
  return [...texts, ...inside.map(({ keys }) => index(keys.filter(isOuter)))].join('\n\n');
}

/** The names of all keys that the reference has. */
export function referenceNames(): string[] {
  return reference().flatMap(({ keys }) => keys.map(({ name }) => name));
}

function namesOf(wanted: string, all: readonly ReferenceKey[]): string[] {
  const steps = wanted.replaceAll(/\[\d+\]/g, '').split('.');
  const exact = all.find(({ name }) => name === wanted);
  if (exact !== undefined) return [exact.name];
  const byPath = keyNameOf(steps);
  if (byPath?.endsWith(`.${steps.at(-1)}`)) return [byPath];
  return all.map(({ name }) => name).filter((name) => name.endsWith(`.${wanted}`));
}

function sectionText({ title, about, keys }: ReferenceSection): string[] {
  const shown = keys.filter(isOuter);
  return [`## ${title}`, about, ...shown.map((key) => keyText(key, keys))];
}

function isOuter({ path, planned }: ReferenceKey): boolean {
  return path.length === 1 && !planned;
}

/** A key with all that is below it. */
function keyText(key: ReferenceKey, all: readonly ReferenceKey[]): string {
  const { name, path, text, examples } = key;
  if (key.planned) return `### \`${name}\`\n\nPlanned, and refused so far: ${text}`;
  const below = all.filter((other) => !other.planned && other.name.startsWith(`${name}.`));
  const inner = path.length === 1 && key.takes === 'a map of names' ? [] : below;
  return [
    `### ${anchor(name)}\`${name}\``,
    text,
    `- Takes: ${key.takes}\n- ${standard(key)}\n- Since: ${versionOf(name)}`,
    `\`\`\`yaml\n${examples.join('\n# or\n')}\n\`\`\``,
    ...(inner.length === 0 ? [] : [innerTable(name, inner)]),
  ].join('\n\n');
}

function innerTable(above: string, keys: readonly ReferenceKey[]): string {
  const rows = keys.map((key) => [
    `${anchor(key.name)}\`${key.name.slice(above.length + 1)}\``,
    since[key.name] === undefined ? key.text : `${key.text} Since ${versionOf(key.name)}.`,
    key.takes,
    key.default ?? 'required',
    key.examples.map((example) => `\`${example}\``).join(' or '),
  ]);
  return table([`below \`${above}\``, 'what it does', 'takes', 'default', 'example'], rows);
}

/** A line for each key, linked to what the page says of it. */
function index(keys: readonly ReferenceKey[]): string {
  const rows = keys.map(({ name, text }) => [`[\`${name}\`](#${name})`, firstSentence(text)]);
  return table(['key', 'what it does'], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function firstSentence(text: string): string {
  return /^.*?\.(?= [A-Z"`]|$)/s.exec(text)?.[0] ?? text;
}

function standard(key: ReferenceKey): string {
  return key.default === undefined ? 'Required' : `Default: ${key.default}`;
}

function versionOf(name: string): string {
  return since[name] ?? firstVersion;
}

function anchor(name: string): string {
  return `<a id="${name}"></a>`;
}
