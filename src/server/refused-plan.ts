/** The plan of a refused run, for whoever approves it: asked of the process that keeps it, since the run's worker alone has it. */
import { FerryError } from '../core/errors.js';
import { type Job, partsOf } from '../core/job.js';
import { digestOfTargets } from '../core/plan-digest.js';
import type { RunView } from '../core/request.js';
import { count } from '../core/text.js';
import type { RunParts } from './run-parts.js';

export interface RefusedPlan {
  readonly job: string;
  readonly digest: string;
  /** How many entries it deletes. */
  readonly deletes: number;
}

export interface RefusedPlanParts {
  /** A run as `runs` lists it. */
  readonly view: (run: string) => Promise<RunView>;
  readonly jobs: () => ReadonlyMap<string, Job>;
  readonly parts: Pick<RunParts, 'read'>;
}

interface PlanLine {
  readonly event: string;
  readonly target?: string;
  readonly digest: string;
  readonly deletes: number;
}

/** More lines than any job has targets. */
const mostLines = 500;
/** No action is called so: of the plan there are the numbers alone. */
const noAction = 'none';

/** Errors: `refused` for a run that was not refused, or whose plan nobody has who answers. */
export function refusedPlans({ view, jobs, parts }: RefusedPlanParts) {
  return async (run: string): Promise<RefusedPlan> => {
    const { state, job, report } = await view(run);
    if (state !== 'ended' || report?.outcome !== 'refused')
      throw new FerryError(
        'refused',
        `run ${run} was not refused, so there is nothing to approve`,
        {
          hint: 'a plan is approved after the guard has refused it',
        },
      );
    const wanted = { run, part: 'plan', from: 0, limit: mostLines, kind: noAction } as const;
    const { piece, elsewhere } = await parts.read(wanted);
    const plans = piece.lines
      .map((line): PlanLine => JSON.parse(line))
      .filter(({ event }) => event === 'plan');
    const plan = planOf(job, jobs().get(job), plans);
    if (plan !== undefined) return plan;
    const worker = elsewhere?.worker ?? report.worker;
    const where = worker === undefined ? '' : `: ${worker}, which had it, does not answer`;
    throw new FerryError('refused', `the plan of run ${run} is gone${where}`, {
      hint: 'run the job again: if that is refused, its plan can be approved',
    });
  };
}

/** Of several targets all must be there: what one would do is known only to its own plan. */
function planOf(
  name: string,
  job: Job | undefined,
  plans: readonly PlanLine[],
): RefusedPlan | undefined {
  const [first] = plans;
  if (job === undefined || job.parts === undefined)
    return first && { job: name, digest: first.digest, deletes: first.deletes };
  const digests = partsOf(job).map(({ target = '' }) => {
    const own = plans.find((plan) => plan.target === target);
    return { target, ...own };
  });
  if (digests.some(({ digest }) => digest === undefined)) return undefined;
  return {
    job: name,
    digest: digestOfTargets(digests.map(({ target, digest }) => [target, digest])),
    deletes: digests.reduce((sum, { deletes = 0 }) => sum + deletes, 0),
  };
}

/** Whoever approves deletions has typed how many they are. */
export function checkDeletions(plan: RefusedPlan, typed: number): void {
  if (typed === plan.deletes) return;
  throw new FerryError(
    'refused',
    `this plan deletes ${count(plan.deletes, 'entry', 'entries')}, and ${typed} was typed`,
    { hint: 'look at the plan; nothing was done' },
  );
}
