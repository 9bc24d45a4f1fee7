/**
 * The reference of jobs.yml, made from the schema: every key with what it takes, its default and an
 * example. `ferryline schema --docs` prints it as Markdown.
 */
import { stringify } from 'yaml';
import { z } from 'zod';
import { kinds } from './fields.js';
import { job } from './job-schema.js';
import { isPlanned } from './planned.js';
import { remote } from './remote-schema.js';
import { config } from './schema.js';

type Shape = Readonly<Record<string, z.core.$ZodType>>;

/** A key as the reference describes it. */
interface ReferenceKey {
  /** From the top of its section: `delete.max`. */
  readonly path: readonly string[];
  /** What the key does, in sentences. */
  readonly text: string;
  /** What it takes, in words. */
  readonly takes: string;
  /** In words or as a value; undefined for a key that is required. */
  readonly default: string | undefined;
  /** Pieces of YAML with the key, complete from the top of its section; the most common first. */
  readonly examples: readonly string[];
  /** Whether it is refused so far. */
  readonly planned: boolean;
}

/** The keys at one place of jobs.yml. */
export interface ReferenceSection {
  readonly title: string;
  readonly about: string;
  /** Where the keys are: below `remotes.NAME`, say. */
  readonly place: readonly string[];
  readonly keys: readonly ReferenceKey[];
}

const containers: ReadonlySet<string> = new Set([
  'remotes',
  'defaults',
  'groups',
  'secrets',
  'jobs',
]);

/** All sections, in the order of the page. */
export function reference(): ReferenceSection[] {
  return [
    {
      title: 'Top level',
      about:
        'Keys that begin a line. Those that begin with `x-` are yours, and mean nothing to ferryline.',
      place: [],
      keys: keysOf(config.shape),
    },
    {
      title: 'Remotes',
      about: 'Keys of each server below `remotes`.',
      place: ['remotes', 'archive'],
      keys: keysOf(remote.shape),
    },
    {
      title: 'Defaults',
      about: 'Keys of `defaults`.',
      place: ['defaults'],
      keys: keysOf(shapeOf(config.shape.defaults) ?? {}, false),
    },
    {
      title: 'Jobs',
      about: 'Keys of each job below `jobs`.',
      place: ['jobs', 'nightly'],
      keys: keysOf(job.shape),
    },
  ];
}

function keysOf(shape: Shape, deep = true): ReferenceKey[] {
  return [...walk(shape, [], shape, deep)];
}

/** The keys of `shape`, which is below `top` at a path, and all below them. */
function* walk(
  shape: Shape,
  above: readonly string[],
  top: Shape,
  deep: boolean,
): Generator<ReferenceKey> {
  for (const [key, schema] of Object.entries(shape)) {
    const path = [...above, key];
    const found = keyOf(path, schema as z.ZodType, top);
    yield found;
    const isOther = above.length === 0 && containers.has(key);
    const inner = deep && !found.planned && !isOther ? shapeOf(schema) : undefined;
    if (inner !== undefined) yield* walk(inner, path, top, deep);
  }
}

function keyOf(path: readonly string[], schema: z.ZodType, top: Shape): ReferenceKey {
  const { description = '' } = schema.meta() ?? {};
  const [, text = description, standard] = /^(.*?)(?: Default: (.*)\.)?$/s.exec(description) ?? [];
  return {
    path,
    text: text.replace(/^Planned, refused so far: /, ''),
    takes: takes(schema),
    default: schema instanceof z.ZodOptional ? standard : undefined,
    examples: examplesOf(schema).map((value) => yamlOf(placed(top, path, value, []))),
    planned: isPlanned(schema),
  };
}

function examplesOf(schema: z.core.$ZodType): readonly unknown[] {
  return ((schema as z.ZodType).meta()?.examples as readonly unknown[]) ?? [];
}

/** A value in the maps and lists that lead to it, each with the keys that it can't be without. */
function placed(
  shape: Shape,
  [key = '', ...rest]: readonly string[],
  value: unknown,
  above: readonly string[],
): object {
  const schema = shape[key];
  const below = schema && shapeOf(schema);
  const inner = rest.length === 0 || !below ? value : placed(below, rest, value, [...above, key]);
  const own = rest.length > 0 && schema && isList(schema) ? [inner] : inner;
  const isNeeded = (other: z.core.$ZodType) =>
    above.length > 0 && !(other instanceof z.ZodOptional);
  const map: Record<string, unknown> = {};
  for (const [other, schema] of Object.entries(shape))
    if (other === key) map[other] = own;
    else if (isNeeded(schema)) map[other] = examplesOf(schema)[0];
  return map;
}

/** Whether a schema takes a list of maps. */
function isList(schema: z.core.$ZodType): boolean {
  if (schema instanceof z.ZodOptional) return isList(schema.unwrap());
  return schema instanceof z.ZodArray && shapeOf(schema) !== undefined;
}

/** On one line, without the braces around all. */
function yamlOf(value: object): string {
  const text = stringify(value, {
    collectionStyle: 'flow',
    flowCollectionPadding: true,
    lineWidth: 0,
  });
  return text.trim().replace(/^\{ (.*) \}$/s, '$1');
}

/** The keys of the map that a schema takes, or of the maps in its list. */
function shapeOf(schema: z.core.$ZodType): Shape | undefined {
  if (schema instanceof z.ZodOptional) return shapeOf(schema.unwrap());
  if (schema instanceof z.ZodArray) return shapeOf(schema.element);
  if (schema instanceof z.ZodObject) return schema.shape;
  if (!(schema instanceof z.ZodUnion)) return undefined;
  for (const option of schema.options) {
    const shape = shapeOf(option);
    if (shape !== undefined) return shape;
  }
  return undefined;
}

/** What a schema takes, in words. */
function takes(schema: z.core.$ZodType): string {
  const kind = kinds.get(schema as z.ZodType);
  if (kind !== undefined) return kind.words;
  if (schema instanceof z.ZodOptional) return takes(schema.unwrap());
  if (schema instanceof z.ZodBoolean) return 'true or false';
  if (schema instanceof z.ZodEnum) return listed(schema.options.map(String), 'or');
  if (schema instanceof z.ZodUnion) return schema.options.map(takes).join(', or ');
  if (schema instanceof z.ZodArray) return `a list, each ${takes(schema.element)}`;
  if (schema instanceof z.ZodRecord) return 'a map of names';
  if (schema instanceof z.ZodObject) return `a map of ${listed(Object.keys(schema.shape), 'and')}`;
  if (schema instanceof z.ZodNumber)
    return `a whole number from ${schema.minValue} to ${schema.maxValue}`;
  return 'text';
}

function listed(words: readonly string[], last: string): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1)}`;
}

/** The page, as Markdown. */
export function referencePage(): string {
  const sections = reference();
  const planned = sections.flatMap(({ place, keys }) =>
    keys.filter((key) => key.planned).map((key) => ({ place, key })),
  );
  return [
    '# Keys of jobs.yml',
    '`ferryline schema --docs` prints this page, `ferryline schema` the schema for editors.',
    'Texts may contain `${VAR}`, `${VAR:-default}`, `${file:PATH}` and `${credential:NAME}`; passwords and passphrases also `${secret:NAME}`. An optional key of a remote or job may be `false`: it is off then, whatever `defaults` say.',
    ...sections.flatMap(({ title, about, keys }) => [
      `## ${title}`,
      about,
      ...keys.filter((key) => !key.planned).flatMap(keyLines),
    ]),
    '## Planned',
    'These keys are known, and refused so far.',
    planned.map(({ place, key }) => `- \`${nameIn(place, key.path)}\`: ${key.text}`).join('\n'),
  ].join('\n\n');
}

function nameIn(place: readonly string[], path: readonly string[]): string {
  const [section] = place;
  return [
    ...(section === undefined ? [] : [section, ...(place.length > 1 ? ['NAME'] : [])]),
    ...path,
  ].join('.');
}

function keyLines(key: ReferenceKey): string[] {
  const { path, text, examples } = key;
  const standard = key.default === undefined ? 'Required.' : `Default: ${key.default}.`;
  return [
    `### \`${path.join('.')}\``,
    text,
    `Takes ${key.takes}. ${standard}`,
    `\`\`\`yaml\n${examples.join('\n# or\n')}\n\`\`\``,
  ];
}
