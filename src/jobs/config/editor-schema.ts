/** Allows variables in the JSON schema for editors. Used by schema.ts alone. */
import type { z } from 'zod';
import { present } from '../../core/present.js';

type JsonSchema = z.core.JSONSchema.JSONSchema;

const reference: JsonSchema = { type: 'string', pattern: '\\$\\{' };

/** Wherever a value must have a certain form, also allows a text that contains `${…}`. */
export function allowVariables(node: JsonSchema): JsonSchema {
  const { description, properties, additionalProperties, items, anyOf, ...rest } = node;
  const about = present({ description });
  if (anyOf !== undefined) {
    const branches = anyOf as JsonSchema[];
    const inside = branches.map((branch) =>
      isContainer(branch) ? allowVariables(branch) : branch,
    );
    return { ...about, ...rest, anyOf: [...inside, reference] };
  }
  if (isContainer(node)) {
    return {
      ...about,
      ...rest,
      ...present({
        properties: properties && eachValue(properties),
        additionalProperties:
          typeof additionalProperties === 'object'
            ? allowVariables(additionalProperties as JsonSchema)
            : additionalProperties,
        items: items && allowVariables(items as JsonSchema),
      }),
    };
  }
  const free = rest.type === 'string' && rest.pattern === undefined && rest.enum === undefined;
  return free ? node : { ...about, anyOf: [rest, reference] };
}

function isContainer(node: JsonSchema): boolean {
  return node.type === 'object' || node.type === 'array';
}

function eachValue(properties: Readonly<Record<string, unknown>>): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(properties).map(([key, value]) => [key, allowVariables(value as JsonSchema)]),
  );
}
