/** `ferryline silence JOB|REMOTE|all TIME`: nobody is notified for a while; `--list`, `--end`. */
import { FerryError } from '../../core/errors.js';
import type { SilenceView } from '../../core/incident-view.js';
import { present } from '../../core/present.js';
import { escapeText, terminalSafe } from '../../core/text.js';
import { parseDuration } from '../../jobs/config/units.js';
import type { DaemonClient } from '../../server/control/client.js';
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';
import { localTime, tableLines } from '../show/table.js';

export interface SilenceFlags {
  readonly reason?: string;
  readonly list?: boolean;
  readonly end?: boolean;
}

export async function silence(
  name: string | undefined,
  time: string | undefined,
  flags: SilenceFlags,
  context: Context,
): Promise<number> {
  const { list = false, end = false } = flags;
  if (list && end) throw new FerryError('config', 'silence takes --list or --end, not both');
  const client = await daemonClient(context);
  if (list) return listSilences(client, context);
  if (name === undefined)
    throw new FerryError('config', 'silence needs a job, a remote or all', {
      hint: '`ferryline silence nightly 2h --reason "disks are replaced"`',
    });
  return end ? endSilences(name, client, context) : begin(name, time, flags, client, context);
}

async function begin(
  name: string,
  time: string | undefined,
  { reason }: SilenceFlags,
  client: DaemonClient,
  { output }: Context,
): Promise<number> {
  const ms = time === undefined ? undefined : parseDuration(time);
  const until = new Date(Date.now() + (ms ?? 0));
  if (ms === undefined || ms <= 0 || Number.isNaN(until.getTime()))
    throw new FerryError(
      'config',
      time === undefined ? 'silence needs a time' : `silence does not take "${escapeText(time)}"`,
      { hint: 'give a time such as 30m, 2h or 3d' },
    );
  const scope = await scopeOf(name, client);
  const body = { ...scope, until: until.toISOString(), ...present({ reason }) };
  const made = await client.send<SilenceView>('silences', body);
  if (output.json) output.record({ event: 'silenced', time: new Date().toISOString(), ...made });
  else
    output.note(
      `${subjectOf(made)}: nobody is told until ${localTime(made.until, new Date())}; end it with \`ferryline silence ${name} --end\``,
    );
  return 0;
}

/** `all`, the name of a job, or that of a remote. */
async function scopeOf(name: string, client: DaemonClient) {
  if (name === 'all') return { scope: 'all' } as const;
  const { jobs } = await client.status();
  const isJob = jobs.some(({ job }) => job === name);
  return { scope: isJob ? 'job' : 'remote', name } as const;
}

async function endSilences(
  name: string,
  client: DaemonClient,
  { output }: Context,
): Promise<number> {
  const found = (await silencesOf(client)).filter(
    (one) => one.active && (one.id === name || (one.name ?? 'all') === name),
  );
  if (found.length === 0)
    throw new FerryError('config', `there is no silence of "${escapeText(name)}"`, {
      hint: '`ferryline silence --list` shows them',
    });
  for (const one of found) {
    await client.send(`silences/${one.id}/end`);
    if (output.json)
      output.record({ event: 'silence-ended', time: new Date().toISOString(), id: one.id });
    else output.note(`${subjectOf(one)}: what is open and was told nobody is told now`);
  }
  return 0;
}

async function listSilences(client: DaemonClient, { output }: Context): Promise<number> {
  const found = (await silencesOf(client)).filter(({ active }) => active);
  const now = new Date();
  if (output.json)
    for (const one of found) output.record({ event: 'silence', time: now.toISOString(), ...one });
  else if (found.length === 0) output.note('nothing is silenced');
  else {
    const rows = found.map((one) => [
      ...[subjectOf(one), localTime(one.until, now), terminalSafe(one.by)],
      terminalSafe(one.reason ?? '-'),
    ]);
    for (const line of tableLines([['what', 'until', 'by', 'reason'], ...rows])) output.data(line);
  }
  return 0;
}

async function silencesOf(client: DaemonClient): Promise<readonly SilenceView[]> {
  return (await client.get<{ items: SilenceView[] }>('silences?limit=500')).items;
}

function subjectOf({ scope, name = '' }: SilenceView): string {
  if (scope === 'all') return 'everything';
  return scope === 'job' ? name : `remote ${name}`;
}
