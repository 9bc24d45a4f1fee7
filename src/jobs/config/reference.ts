/**
 * The reference of jobs.yml, made from the schema: every key with what it takes, its default and an
 * example. reference-page.ts makes Markdown of it.
 */
import { stringify } from 'yaml';
import { z } from 'zod';
import { apiToken } from './api-schema.js';
import { kinds } from './fields.js';
import { job } from './job-schema.js';
import { channel } from './notify-schema.js';
import { isPlanned } from './planned.js';
import { firstVersion, since } from './reference-uses.js';
import { remote } from './remote-schema.js';
import { config } from './schema.js';
import { type Shape, shapeOf } from './schema-keys.js';

/** A key as the reference describes it. */
export interface ReferenceKey {
  /** By which messages, anchors and `ferryline schema` know it: `jobs.delete.max`. */
  readonly name: string;
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
  /** The first version that has it. */
  readonly since: string;
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
  'notify',
]);

/** All sections, in the order of the page. */
export function reference(): ReferenceSection[] {
  return [
    {
      title: 'Top level',
      about:
        'Keys that begin a line. Those that begin with `x-` are yours, and mean nothing to ferryline.',
      place: [],
      keys: keysOf('', config.shape),
    },
    {
      title: 'Remotes',
      about: 'Keys of each server below `remotes`.',
      place: ['remotes', 'archive'],
      keys: keysOf('remotes', remote.shape),
    },
    {
      title: 'Defaults',
      about: 'Keys of `defaults`.',
      place: ['defaults'],
      keys: keysOf('defaults', shapeOf(config.shape.defaults) ?? {}, false),
    },
    {
      title: 'Tokens',
      about: 'Keys of each token below `api.tokens`.',
      place: ['api', 'tokens', 'wall'],
      keys: keysOf('api.tokens', apiToken.shape),
    },
    {
      title: 'Channels',
      about:
        'Keys of each channel below `notify`. [Who is notified of what](notifications.md) explains them.',
      place: ['notify', 'ops'],
      keys: keysOf('notify', channel.shape),
    },
    {
      title: 'Jobs',
      about: 'Keys of each job below `jobs`.',
      place: ['jobs', 'nightly'],
      keys: keysOf('jobs', job.shape),
    },
  ];
}

function keysOf(section: string, shape: Shape, deep = true): ReferenceKey[] {
  return [...walk(shape, [], shape, deep)].map((key) => {
    const name = [section, ...key.path].filter((step) => step !== '').join('.');
    return { ...key, name, since: since[name] ?? firstVersion };
  });
}

type Unnamed = Omit<ReferenceKey, 'name' | 'since'>;

/** The keys of `shape`, which is below `top` at a path, and all below them. */
function* walk(
  shape: Shape,
  above: readonly string[],
  top: Shape,
  deep: boolean,
): Generator<Unnamed> {
  for (const [key, schema] of Object.entries(shape)) {
    const path = [...above, key];
    const found = keyOf(path, schema as z.ZodType, top);
    yield found;
    const isOther = above.length === 0 && containers.has(key);
    const inner = deep && !found.planned && !isOther ? shapeOf(schema) : undefined;
    if (inner !== undefined) yield* walk(inner, path, top, deep);
  }
}

function keyOf(path: readonly string[], schema: z.ZodType, top: Shape): Unnamed {
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
  if (schema instanceof z.ZodObject) {
    const usable = Object.entries(schema.shape).filter(([, inner]) => !isPlanned(inner));
    return `a map of ${listed(
      usable.map(([key]) => key),
      'and',
    )}`;
  }
  if (schema instanceof z.ZodNumber)
    return `a whole number from ${schema.minValue} to ${schema.maxValue}`;
  return 'text';
}

function listed(words: readonly string[], last: string): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1)}`;
}
