/** Small things that several views show: outcomes, links, problems, and buttons that act. */
import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';
import type { Rest } from './answers.js';
import { to } from './route.js';
import { ask, type Problem, whyNoAction } from './session.js';
import { Ago, Time } from './times.js';
import type { Outcome, Pause, RunError } from './types.js';

/** A sign and a word, so that no colour is needed. */
export const signs: Readonly<Record<Outcome, string>> = {
  succeeded: '✓',
  incomplete: '!',
  failed: '✕',
  refused: '⊘',
  cancelled: '–',
};

export function OutcomeMark({ outcome }: { readonly outcome: Outcome }) {
  return (
    <span class={`outcome ${outcome}`}>
      <span aria-hidden="true">{signs[outcome]}</span> {outcome}
    </span>
  );
}

/** The last outcomes as marks, the newest last, and in words. */
export function Marks({ recent }: { readonly recent: readonly Outcome[] }) {
  const counts = new Map<Outcome, number>();
  for (const one of recent) counts.set(one, (counts.get(one) ?? 0) + 1);
  const words = [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(', ');
  const text =
    recent.length === 0 ? 'no run yet' : `last ${recent.length}, newest on the right: ${words}`;
  return (
    <span class="marks" role="img" aria-label={text} title={text}>
      {recent.toReversed().map((outcome, at) => (
        <span key={at} class={outcome}>
          {signs[outcome]}
        </span>
      ))}
    </span>
  );
}

export function JobLink({ job }: { readonly job: string }) {
  return <a href={to('job', job)}>{job}</a>;
}

export function RunLink({
  run,
  children,
}: {
  readonly run: string;
  readonly children?: ComponentChildren;
}) {
  return <a href={to('run', run)}>{children ?? run}</a>;
}

export function ErrorText({ error }: { readonly error: RunError }) {
  return (
    <>
      <p class="bad">
        {error.kind}: {error.message}
      </p>
      {error.hint !== undefined && <p>Next step: {error.hint}</p>}
    </>
  );
}

/** What became of a request that did not succeed. */
export function ProblemText({ problem }: { readonly problem: Problem | undefined }) {
  if (problem === undefined) return null;
  return (
    <p class="bad" role="alert">
      {problem.message}
      {problem.hint !== undefined && `: ${problem.hint}`}
    </p>
  );
}

/** Since when, by whom, until when, why. */
export function PauseText({ pause }: { readonly pause: Pause }) {
  const { since, by, until, reason, job } = pause;
  const what = pause.scope === 'all' ? 'all jobs' : (job ?? `remote ${pause.remote}`);
  return (
    <span>
      ⏸ {what} paused since <Time at={since} job={job} />
      {by !== undefined && ` by ${by}`}
      {until !== undefined && (
        <>
          {' '}
          until <Time at={until} job={job} />
        </>
      )}
      {reason !== undefined && `: ${reason}`}
    </span>
  );
}

interface ActProps {
  /** What the button says. */
  readonly name: string;
  /** What it is done to, for those who hear the button alone. */
  readonly of: string;
  readonly path: string;
  readonly body?: object | undefined;
  /** Why it can't be done now. */
  readonly whyNot?: string | undefined;
  /** What is asked before it is done; without it, it is done at once. */
  readonly sure?: string | undefined;
  /** One press makes one run, however often it is sent. */
  readonly isOnce?: boolean;
  readonly onDone?: ((answer: unknown) => void) | undefined;
}

/** Whoever has pressed a button goes on with the question. */
function focus(element: HTMLElement | null): void {
  element?.focus();
}

/** A button that asks the daemon to do something, and says what became of it. */
export function Act({ name, of, path, body, whyNot, sure, isOnce, onDone }: ActProps) {
  const [state, setState] = useState<'busy' | 'done' | Problem>();
  const [isAsking, setAsking] = useState(false);
  const why = whyNoAction.value ?? whyNot;
  const id = useId();
  const act = async () => {
    setAsking(false);
    setState('busy');
    try {
      const headers = isOnce ? { 'idempotency-key': crypto.randomUUID() } : {};
      const answer = await ask<unknown>(path, body ?? {}, headers);
      setState('done');
      onDone?.(answer);
    } catch (thrown) {
      setState(thrown as Problem);
    }
  };
  const press = () => {
    if (why !== undefined || state === 'busy') return;
    if (sure === undefined) void act();
    else setAsking(true);
  };
  return (
    <span class="act">
      <button
        type="button"
        aria-label={`${name} ${of}`}
        aria-disabled={why !== undefined || state === 'busy'}
        aria-describedby={why === undefined ? undefined : id}
        title={why}
        onClick={press}
      >
        {name}
      </button>
      {why !== undefined && (
        <span id={id} class="why">
          {why}
        </span>
      )}
      {isAsking && (
        <span class="sure">
          {sure}{' '}
          <button type="button" ref={focus} onClick={() => void act()}>
            Yes, {name.toLowerCase()}
          </button>{' '}
          <button type="button" onClick={() => setAsking(false)}>
            No
          </button>
        </span>
      )}
      <span role="status">{state === 'done' ? ' ✓ asked' : ''}</span>
      {state instanceof Error && <ProblemText problem={state} />}
    </span>
  );
}

/** A moment, and how far it is. */
export function When({ at, job }: { readonly at: string; readonly job?: string }) {
  return (
    <>
      <Time at={at} job={job} /> <Ago at={at} />
    </>
  );
}

/** What can't be had now, who has it, and since when it is away. */
export function RestText({ rest }: { readonly rest: Rest | undefined }) {
  if (rest === undefined) return null;
  const { message, worker, seenAt } = rest;
  return (
    <p class="warn">
      ! {message}
      {seenAt !== undefined && !message.includes('last seen') && (
        <>
          : {worker}, last seen <Time at={seenAt} />
        </>
      )}
    </p>
  );
}
