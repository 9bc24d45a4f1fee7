/**
 * Keys that a later version carries out. The editor's schema describes them, and jobs.yml is refused
 * while it has one: a key is never ignored.
 */
import { z } from 'zod';

/** The end of every such message; no value is repeated in it. */
export const notInThisVersion = 'is not in this version; remove it';

/** A key that no value satisfies yet. */
export function planned(about: string) {
  return z
    .never({ error: notInThisVersion })
    .optional()
    .describe(`Planned, refused so far: ${about}`);
}

/** Whether a schema is that of a planned key. */
export function isPlanned(schema: z.core.$ZodType | undefined): boolean {
  return schema instanceof z.ZodOptional && schema.unwrap() instanceof z.ZodNever;
}

/** Keys of a job that the schema knows whole, while nothing carries them out yet. */
export const pendingKeys = ['live', 'replace', 'window'] as const;
