/** `ferryline pause JOB…|--remote NAME|--all`: keeps runs from starting until `resume`, or for a while. */
import { FerryError } from '../../core/errors.js';
import { parseMoment } from '../../core/moment.js';
import type { PauseDetails } from '../../core/pause.js';
import { present } from '../../core/present.js';
import { escapeText } from '../../core/text.js';
import { zoneNamed } from '../../core/zone.js';
import { parseDuration } from '../../jobs/config/units.js';
import { callerName } from '../caller.js';
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';
import { type PauseScopeFlags, pauseScopes, resumeCommand, scopeText } from '../pause-scopes.js';
import { localTime } from '../show/table.js';

export interface PauseFlags extends PauseScopeFlags {
  /** `4h`. */
  readonly for?: string;
  /** `08:00`, `2026-12-01T08:00`. */
  readonly until?: string;
  readonly reason?: string;
}

export async function pause(
  names: readonly string[],
  flags: PauseFlags,
  context: Context,
): Promise<number> {
  const { output, environment } = context;
  const now = new Date();
  const details: PauseDetails = present({
    until: untilOf(flags, now.getTime()),
    reason: flags.reason,
    by: callerName(environment),
  });
  const controls = await daemonClient(context);
  for (const scope of await pauseScopes('pause', names, flags, controls)) {
    await controls.pause(scope, details);
    const until = details.until === undefined ? undefined : new Date(details.until).toISOString();
    if (output.json) {
      const { reason, by } = details;
      const time = new Date().toISOString();
      output.record({ event: 'paused', time, ...scope, ...present({ until, reason, by }) });
    } else {
      const end = until === undefined ? '' : ` until ${localTime(until, now)}`;
      output.note(`${scopeText(scope)}: paused${end}; resume with ${resumeCommand(scope)}`);
    }
  }
  return 0;
}

/** When the pause ends by itself, ms since the epoch. */
function untilOf(flags: PauseFlags, now: number): number | undefined {
  if (flags.for !== undefined && flags.until !== undefined)
    throw new FerryError('config', 'pause takes --for or --until, not both');
  if (flags.for !== undefined) {
    const ms = parseDuration(flags.for);
    if (ms !== undefined && ms > 0 && Number.isFinite(new Date(now + ms).getTime()))
      return now + ms;
    throw new FerryError('config', `--for does not take "${escapeText(flags.for)}"`, {
      hint: 'give a time such as 30m, 4h or 2d',
    });
  }
  if (flags.until === undefined) return undefined;
  const moment = parseMoment(flags.until, now, zoneNamed());
  if (typeof moment === 'number') return moment;
  throw new FerryError('config', `--until "${escapeText(flags.until)}" ${escapeText(moment)}`);
}
