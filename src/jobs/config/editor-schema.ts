/** Makes an editor's schema bear variables. Used by schema.ts alone. */
import type { z } from 'zod';

type JsonSchema = z.core.JSONSchema.JSONSchema;

const reference: JsonSchema = { type: 'string', pattern: '\\$\\{' };

/** Wherever not just any text is asked for, text with a `${…}` in it serves too. */
export function allowVariables(node: JsonSchema): JsonSchema {
  const { description, properties, additionalProperties, items, anyOf, ...rest } = node;
  const about = description === undefined ? {} : { description };
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
      ...(properties === undefined ? {} : { properties: eachValue(properties) }),
      ...(typeof additionalProperties === 'object'
        ? { additionalProperties: allowVariables(additionalProperties as JsonSchema) }
        : additionalProperties === undefined
          ? {}
          : { additionalProperties }),
      ...(items === undefined ? {} : { items: allowVariables(items as JsonSchema) }),
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
