/** `ferryline notify CHANNEL --test`: sends a message that says that nothing is wrong, and waits for what becomes of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../../core/errors.js';
import type { MessageView } from '../../core/incident-view.js';
import { escapeText } from '../../core/text.js';
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';

export interface NotifyFlags {
  readonly test?: boolean;
}

const askEveryMs = 250;
/** An attempt takes 10 s at most; after that it is tried again, and the command ends. */
const waitMs = 15_000;

export async function notify(
  channel: string,
  flags: NotifyFlags,
  context: Context,
): Promise<number> {
  const { output } = context;
  if (flags.test !== true)
    throw new FerryError('config', 'notify sends a test only so far', {
      hint: `\`ferryline notify ${escapeText(channel)} --test\``,
    });
  const client = await daemonClient(context);
  const { message } = await client.send<{ message: string }>(
    `channels/${encodeURIComponent(channel)}/test`,
  );
  const until = performance.now() + waitMs;
  let found: MessageView | undefined;
  for (;;) {
    const { items } = await client.get<{ items: MessageView[] }>('messages?limit=500');
    found = items.find(({ id }) => id === message);
    const isSettled =
      found !== undefined && (found.state !== 'waiting' || found.tries !== undefined);
    if (isSettled || performance.now() > until) break;
    await sleep(askEveryMs);
  }
  const { state = 'waiting', why } = found ?? {};
  if (output.json)
    output.record({
      event: 'tested',
      time: new Date().toISOString(),
      channel,
      message,
      state,
      why,
    });
  if (state === 'sent') {
    if (!output.json) output.note(`${channel}: the message has arrived`);
    return 0;
  }
  throw new FerryError(
    'network',
    `the message to ${channel} has not arrived: ${why ?? 'no answer yet'}`,
    {
      hint:
        state === 'dead'
          ? `check \`notify.${channel}\` in jobs.yml`
          : 'it is tried again for a day',
    },
  );
}
