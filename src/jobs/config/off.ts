/**
 * `false` as the value of an optional key of a job or remote: it switches the key off and removes the
 * value from `defaults`. The schemas do not know it: such keys are removed from the tree while it is
 * checked, and put back for merging.
 */
import { z } from 'zod';
import { isPlanned } from './planned.js';
import { isMap, type PlainMap } from './shapes.js';

/** A map whose optional keys may be switched off. */
export type WithOff<T> = { [K in keyof T]: T[K] | false };

/** Removes the keys that are switched off from a map, in place; the returned function puts them back. */
export function takeOff(schema: z.ZodType, map: unknown): () => void {
  const taken: [Record<string, unknown>, string][] = [];
  const visit = (at: z.ZodType, value: unknown) => {
    if (!isMap(value)) return;
    const entries = value as Record<string, unknown>;
    const each = valuesOf(at);
    if (each !== undefined) for (const inner of Object.values(entries)) visit(each, inner);
    const shape = shapeOf(at) ?? {};
    for (const [key, inner] of Object.entries(shape)) {
      if (!Object.hasOwn(entries, key)) continue;
      if (entries[key] === false && mayBeOff(inner)) taken.push([entries, key]);
      else visit(inner, entries[key]);
    }
  };
  visit(schema, map);
  for (const [entries, key] of taken) delete entries[key];
  return () => {
    for (const [entries, key] of taken) entries[key] = false;
  };
}

/** Whether `false` means off here: the key is optional, and has no meaning of its own for false. */
function mayBeOff(schema: z.ZodType): boolean {
  return schema instanceof z.ZodOptional && !isPlanned(schema) && !schema.safeParse(false).success;
}

/** The schema of the values of a map whose keys are names; undefined for any other schema. */
function valuesOf(schema: z.ZodType): z.ZodType | undefined {
  if (schema instanceof z.ZodOptional) return valuesOf(schema.unwrap() as z.ZodType);
  return schema instanceof z.ZodRecord ? (schema.valueType as z.ZodType) : undefined;
}

/** The keys of the map that a schema allows; undefined if it allows no map. */
function shapeOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> | undefined {
  if (schema instanceof z.ZodOptional) return shapeOf(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodObject) return schema.shape;
  if (!(schema instanceof z.ZodUnion)) return undefined;
  for (const option of schema.options) {
    const shape = shapeOf(option as z.ZodType);
    if (shape !== undefined) return shape;
  }
  return undefined;
}

/** A map without the keys that are switched off. */
export function withoutOff(map: PlainMap): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).filter(([, value]) => value !== false));
}
