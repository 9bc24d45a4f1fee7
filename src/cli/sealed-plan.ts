/** The file of a sealed plan: what `plan --out` writes and `apply` carries out, readable by people and programs. */
import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { FerryError } from '../core/errors.js';
import { escapeText } from '../core/text.js';
import type { Plan } from '../jobs/plan/plan.js';

const form = z.object({
  ferryline: z.literal('plan/1'),
  /** Absolute path of the jobs.yml it was made from. */
  config: z.string(),
  job: z.string(),
  /** Job keys that flags laid over the job's own. */
  overrides: z.record(z.string(), z.unknown()),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  /** Why the guard refuses it; null when it doesn't. */
  refused: z.string().nullable(),
});

export type Sealed = z.infer<typeof form>;

/** Writes a plan with all its actions; `apply` needs only what `Sealed` names, the rest is for whoever approves it. */
export async function writeSealed(file: string, sealed: Sealed, plan: Plan): Promise<void> {
  const { mkdirs, copies, attrs, deletes, conflicts } = plan;
  const content = { ...sealed, mkdirs, copies, attrs, deletes, conflicts };
  try {
    await writeFile(file, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  } catch (cause) {
    throw new FerryError('config', `the plan can't be written to ${escapeText(file)}`, {
      cause,
      hint: `${(cause as Error).message}; name another file with --out`,
    });
  }
}

/** Reads a sealed plan; a `config` error when it is none. */
export async function readSealed(file: string): Promise<Sealed> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new FerryError('config', `the plan ${escapeText(file)} can't be read`, {
      cause,
      hint: `${(cause as Error).message}; \`ferryline plan JOB --out FILE\` makes one`,
    });
  }
  const parsed = form.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new FerryError('config', `${escapeText(file)} is no plan of this version of ferryline`, {
    hint: 'make it anew with `ferryline plan JOB --out FILE`',
  });
}
