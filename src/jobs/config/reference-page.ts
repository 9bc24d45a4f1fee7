/** The reference of jobs.yml as Markdown: docs/jobs-yml.md, and what `ferryline schema` prints. */
import { type ReferenceKey, type ReferenceSection, reference } from './reference.js';
import { everybody, firstVersion, uses } from './reference-uses.js';

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
  const below = all.filter((other) => !other.planned && other.name.startsWith(`${name}.`));
  const inner = path.length === 1 && key.takes === 'a map of names' ? [] : below;
  return [
    `### ${anchor(name)}\`${name}\``,
    text,
    `- Takes: ${key.takes}\n- ${standard(key)}\n- Since: ${key.since}`,
    `\`\`\`yaml\n${examples.join('\n# or\n')}\n\`\`\``,
    ...(inner.length === 0 ? [] : [innerTable(name, inner)]),
  ].join('\n\n');
}

function innerTable(above: string, keys: readonly ReferenceKey[]): string {
  const rows = keys.map((key) => [
    `${anchor(key.name)}\`${key.name.slice(above.length + 1)}\``,
    key.since === firstVersion ? key.text : `${key.text} Since ${key.since}.`,
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

function anchor(name: string): string {
  return `<a id="${name}"></a>`;
}
