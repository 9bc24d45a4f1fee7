/**
 * Keys of a later version. The schema for editors describes them, but a jobs.yml that has one is
 * refused: a key is never ignored.
 */
import { z } from 'zod';

/** The end of every such message; no value is repeated in it. */
export const notInThisVersion = 'is not in this version; remove it';

/** A key that accepts no value yet. */
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
