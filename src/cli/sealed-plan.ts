/** The file of a sealed plan: `plan --out` writes it, `apply` carries it out, people and programs can read it. */
import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { FerryError } from '../core/errors.js';
import { escapeText } from '../core/text.js';
import type { Plan } from '../jobs/plan/plan.js';

const form = z.object({
  ferryline: z.literal('plan/1'),
  /** Absolute path of the jobs.yml that the plan was made from. */
  config: z.string(),
  job: z.string(),
  /** Job keys given as flags. */
  overrides: z.record(z.string(), z.unknown()),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  /** Why the guard refuses the plan; null if it does not. */
  refused: z.string().nullable(),
});

export type Sealed = z.infer<typeof form>;

/** The plan of one target, or of a job that has only one. */
export interface TargetPlan {
  readonly target: string | undefined;
  readonly plan: Plan;
  /** Why the guard refuses it; null if it does not. */
  readonly refused: string | null;
}

/** Writes plans with all their actions, for the person who approves them; `apply` needs only the keys of `Sealed`. */
export async function writeSealed(
  file: string,
  sealed: Sealed,
  plans: readonly TargetPlan[],
): Promise<void> {
  const [first] = plans;
  const actions =
    first?.target === undefined
      ? first && actionsOf(first.plan)
      : {
          targets: plans.map(({ target, plan, refused }) => ({
            target,
            digest: plan.digest,
            refused,
            ...actionsOf(plan),
          })),
        };
  const content = { ...sealed, ...actions };
  try {
    await writeFile(file, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  } catch (cause) {
    throw new FerryError('config', `the plan cannot be written to ${escapeText(file)}`, {
      cause,
      hint: `${(cause as Error).message}; name another file with --out`,
    });
  }
}

function actionsOf({ mkdirs, renames, copies, attrs, deletes, conflicts }: Plan) {
  return { mkdirs, renames, copies, attrs, deletes, conflicts };
}

/** Reads a sealed plan. Errors: `config`. */
export async function readSealed(file: string): Promise<Sealed> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new FerryError('config', `the plan file ${escapeText(file)} cannot be read`, {
      cause,
      hint: `${(cause as Error).message}; make one with \`ferryline plan JOB --out FILE\``,
    });
  }
  const parsed = form.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new FerryError(
    'config',
    `${escapeText(file)} is not a plan file of this version of ferryline`,
    {
      hint: 'make a new one with `ferryline plan JOB --out FILE`',
    },
  );
}
