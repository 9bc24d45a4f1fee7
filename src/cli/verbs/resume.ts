/** `ferryline resume JOB…|--remote NAME|--all`: lets runs start again. */
import { reasonOfPause } from '../../core/pause.js';
import type { Resumed } from '../../server/control/controls.js';
import { callerName } from '../caller.js';
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';
import { type PauseScopeFlags, pauseScopes, resumeCommand, scopeText } from '../pause-scopes.js';
import { localTime } from '../show/table.js';

export interface ResumeFlags extends PauseScopeFlags {
  readonly catchUp?: boolean;
}

export async function resume(
  names: readonly string[],
  flags: ResumeFlags,
  context: Context,
): Promise<number> {
  const { output, environment } = context;
  const controls = await daemonClient(context);
  const choices = { by: callerName(environment), catchUp: flags.catchUp === true };
  for (const scope of await pauseScopes('resume', names, flags, controls)) {
    const resumed = await controls.resume(scope, choices);
    const now = new Date();
    if (output.json) {
      const { by } = choices;
      output.record({ event: 'resumed', time: now.toISOString(), ...scope, by, ...resumed });
      continue;
    }
    output.note(`${scopeText(scope)}: ${resumed.wasPaused ? 'resumed' : 'was not paused'}`);
    for (const line of linesOf(resumed, now)) output.note(line);
  }
  return 0;
}

/** What else there is to say. Pure. */
function linesOf({ pause, others = [], caughtUp }: Resumed, now: Date): string[] {
  const lines = caughtUp.map(
    ({ job, run, slot }) => `${job}: run ${run} makes up for the slot of ${localTime(slot, now)}`,
  );
  for (const other of others)
    lines.push(`${scopeText(other)}: still paused; ${resumeCommand(other)} ends that`);
  if (pause === undefined) return lines;
  const why = reasonOfPause(pause);
  return [...lines, `it still does not run: ${why}; ${resumeCommand(pause)} ends that`];
}
