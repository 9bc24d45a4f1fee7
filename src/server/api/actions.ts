/** What callers do, each recorded with who did it. Where that can't be recorded, nothing is started; what stops something goes through. */
import { FerryError } from '../../core/errors.js';
import { keyOf, type PauseDetails, type PauseScope } from '../../core/pause.js';
import { present } from '../../core/present.js';
import type { Enqueued, ServedControls } from '../control/controls.js';
import { problemOf } from '../problem.js';
import { checkDeletions, type RefusedPlan } from '../refused-plan.js';
import type { Caller } from './caller.js';
import type { RefusedLogin } from './refused-logins.js';
import type { RequestKeys } from './request-keys.js';

/** Records an action. Throws when it can't. */
type Audit = (entry: {
  readonly by: string;
  readonly via: Caller['via'];
  readonly address?: string;
  readonly action: string;
  readonly target?: string;
  readonly result: string;
  readonly run?: string;
  readonly more?: number;
}) => void;

export interface ActionsParts {
  readonly controls: ServedControls;
  readonly keys: Pick<RequestKeys, 'once'>;
  /** The plan of a refused run, from whoever keeps it. */
  readonly refusedPlan: (run: string) => Promise<RefusedPlan>;
  readonly audit: Audit;
  /** Called when an action that went through could not be recorded. */
  readonly onUnrecorded: (what: string, error: Error) => void;
}

export class Actions {
  readonly #parts: ActionsParts;

  constructor(parts: ActionsParts) {
    this.#parts = parts;
  }

  run(caller: Caller, job: string, key?: string): Promise<Enqueued> {
    return this.#start(caller, 'run', job, () => this.#request(caller, 'run', job, job, key));
  }

  /** Requests a run that plans and changes nothing. */
  dryRun(caller: Caller, job: string, key?: string): Promise<Enqueued> {
    const more = { dryRun: true } as const;
    return this.#start(caller, 'dry-run', job, () =>
      this.#request(caller, 'dry-run', job, job, key, more),
    );
  }

  /** Requests that the plan of a refused run is carried out, and no other; `deletions`: how many somebody typed. One refused run is approved once. */
  approve(caller: Caller, refused: string, deletions: number): Promise<Enqueued> {
    const { controls, keys, refusedPlan } = this.#parts;
    return this.#start(caller, 'approve', refused, async () => {
      const plan = await refusedPlan(refused);
      checkDeletions(plan, deletions);
      const approves = { run: refused, digest: plan.digest };
      return keys.once(['approve', refused], '', (run) =>
        controls.request(plan.job, { by: caller.name, run, approves }),
      );
    });
  }

  rerun(caller: Caller, run: string, key?: string): Promise<Enqueued> {
    return this.#start(caller, 'rerun', run, async () => {
      const job = await this.#parts.controls.jobToRerun(run);
      return this.#request(caller, 'rerun', run, job, key);
    });
  }

  resume(caller: Caller, scope: PauseScope, by: string | undefined, catchUp: boolean) {
    const { controls } = this.#parts;
    return this.#start(caller, 'resume', keyOf(scope), () =>
      controls.resume(scope, { ...present({ by }), catchUp }),
    );
  }

  cancel(caller: Caller, run: string) {
    return this.#stop(caller, 'cancel', run, () => this.#parts.controls.cancel(run));
  }

  pause(caller: Caller, scope: PauseScope, details: PauseDetails) {
    return this.#stop(caller, 'pause', keyOf(scope), () =>
      this.#parts.controls.pause(scope, details),
    );
  }

  /** Records a login that was refused; where that can't be written, the actions tell. */
  refusedLogin({ address, result, more }: RefusedLogin): void {
    const who = { by: 'unknown', via: 'http', address } as const;
    try {
      this.#parts.audit({ ...who, action: 'login', result, ...(more > 0 && { more }) });
    } catch {}
  }

  /** Somebody takes care, or is not notified: it goes through, as a pause does. */
  through<T>(caller: Caller, action: string, target: string, act: () => Promise<T>): Promise<T> {
    return this.#stop(caller, action, target, act);
  }

  /** Something is sent: not without a record, as a run. */
  recorded<T extends object>(
    caller: Caller,
    action: string,
    target: string,
    act: () => Promise<T>,
  ): Promise<T> {
    return this.#start(caller, action, target, act);
  }

  async #request(
    { name }: Caller,
    action: string,
    target: string,
    job: string,
    key: string | undefined,
    more: { readonly dryRun?: true } = {},
  ): Promise<Enqueued> {
    const { controls, keys } = this.#parts;
    if (key === undefined) return controls.request(job, { by: name, ...more });
    return keys.once([name, action, target], key, (run) =>
      controls.request(job, { by: name, run, ...more }),
    );
  }

  /** On the socket, of the daemon's own user, an action is carried out whether or not it can be recorded. */
  async #start<T extends object>(
    caller: Caller,
    action: string,
    target: string,
    act: () => Promise<T>,
  ): Promise<T> {
    if (caller.via === 'http') this.#mustRecord(caller, action, target);
    return this.#stop(caller, action, target, act);
  }

  #mustRecord(caller: Caller, action: string, target: string): void {
    try {
      this.#parts.audit({ ...whoOf(caller), action, target, result: 'asked' });
    } catch (thrown) {
      throw new FerryError(
        'io',
        `audit.log can't be written, so this is not done: ${textOf(thrown)}`,
        {
          cause: thrown,
          hint: 'make room, or look at the rights of the state folder; cancel and pause go through',
        },
      );
    }
  }

  async #stop<T>(
    caller: Caller,
    action: string,
    target: string,
    act: () => Promise<T>,
  ): Promise<T> {
    let result = 'done';
    let run: string | undefined;
    try {
      const answer = await act();
      const { joined, run: made } = (answer ?? {}) as { joined?: boolean; run?: string };
      if (joined === true) result = 'joined';
      run = made;
      return answer;
    } catch (thrown) {
      result = problemOf(thrown).kind;
      throw thrown;
    } finally {
      try {
        this.#parts.audit({ ...whoOf(caller), action, target, result, ...present({ run }) });
      } catch (thrown) {
        this.#parts.onUnrecorded(`${action} ${target} by ${caller.name}`, thrown as Error);
      }
    }
  }
}

function whoOf({ name, via, address }: Caller) {
  return { by: name, via, ...present({ address }) };
}

function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
