/** What the JSON schema for editors allows besides the values themselves: variables, and `false` for an optional key. Used by schema.ts alone. */
import type { z } from 'zod';
import { present } from '../../core/present.js';

type JsonSchema = z.core.JSONSchema.JSONSchema;

const reference: JsonSchema = { type: 'string', pattern: '\\$\\{' };
const off: JsonSchema = { const: false };

/** Top-level keys below which `false` switches an optional key off (off.ts). */
const switchable: ReadonlySet<string> = new Set(['remotes', 'defaults', 'jobs']);

/** The schema of jobs.yml for editors. */
export function forEditors(schema: JsonSchema): JsonSchema {
  const { properties = {}, ...rest } = schema;
  const each = Object.entries(properties).map(([key, value]) => [
    key,
    widen(value as JsonSchema, switchable.has(key)),
  ]);
  return { ...rest, properties: Object.fromEntries(each), patternProperties: { '^x-': {} } };
}

/** Wherever a value must have a certain form, also allows a text that contains `${…}`. */
function widen(node: JsonSchema, canBeOff: boolean): JsonSchema {
  const { properties, required, additionalProperties, items, anyOf, ...others } = node;
  const { about, rest } = divide(others);
  if (rest.not !== undefined) return node;
  if (anyOf !== undefined) {
    const branches = anyOf as JsonSchema[];
    const inside = branches.map((branch) =>
      isContainer(branch) || branch.anyOf !== undefined ? widen(branch, canBeOff) : branch,
    );
    return { ...about, ...rest, anyOf: [...inside, reference] };
  }
  if (isContainer(node)) {
    const inner = (value: unknown) => widen(value as JsonSchema, canBeOff);
    const optional = (key: string) => canBeOff && required?.includes(key) !== true;
    return {
      ...about,
      ...rest,
      ...present({
        required,
        properties:
          properties &&
          Object.fromEntries(
            Object.entries(properties).map(([key, value]) => [
              key,
              optional(key) ? mayBeOff(inner(value)) : inner(value),
            ]),
          ),
        additionalProperties:
          typeof additionalProperties === 'object'
            ? inner(additionalProperties)
            : additionalProperties,
        items: items && inner(items),
      }),
    };
  }
  const free = rest.type === 'string' && rest.pattern === undefined && rest.enum === undefined;
  return free ? node : { ...about, anyOf: [rest, reference] };
}

function mayBeOff(node: JsonSchema): JsonSchema {
  if (node.not !== undefined) return node;
  const { anyOf, ...others } = node;
  const { about, rest } = divide(others);
  const forms = anyOf === undefined ? [rest] : (anyOf as JsonSchema[]);
  return { ...about, anyOf: [...forms, off] };
}

/** What a schema says about a key, which stays outside, and what it says about its values. */
function divide({ description, default: standard, examples, ...rest }: JsonSchema) {
  return { about: present({ description, default: standard, examples }) as JsonSchema, rest };
}

function isContainer(node: JsonSchema): boolean {
  return node.type === 'object' || node.type === 'array';
}
