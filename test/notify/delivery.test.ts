/** Messages on their way: to receivers that work, that fail, and that mean harm. */
import { createHmac } from 'node:crypto';
import { expect, onTestFinished } from 'vitest';
import type { Incident } from '../../src/core/incident.js';
import { type Channel, type ChannelTarget, noticeWords } from '../../src/core/notify.js';
import { Delivery, type Patience } from '../../src/notify/deliver.js';
import { type KnownMessage, type MessageEnd, Messages } from '../../src/notify/messages.js';
import { openStore } from '../../src/queue/store/store.js';
import { test } from '../kit/base.js';
import { eventually } from '../kit/daemons/daemon.js';
import { startMailbox } from '../kit/servers/mailbox.js';
import { type Receiver, startReceiver } from '../kit/servers/receiver.js';
import type { Redis } from '../kit/servers/redis.js';

const start = Date.UTC(2026, 10, 30, 2);

/** Of a job whose texts mean harm to whoever shows them. */
const evil: Incident = {
  ...{ id: 'i1', key: 'k', cause: 'failed', job: 'night', kind: 'network', remote: 'archive' },
  message: 'no answer\r\nBcc: x@y.z <!channel> @everyone *bold* `code` <https://evil|here> canary',
  hint: 'check the line',
  description: 'the <b>shop</b>',
  failures: [{ path: 'a\u202eb', message: 'no room' }],
  ...{ openedAt: start, lastAt: start, count: 3, times: [], told: {}, steps: [] },
};

const quick: Patience = { first: 10, longest: 40, inAll: 400, deadline: 500 };

/** A channel on a store of its own; `send` adds a message and resolves to what became of it. */
async function channelTo(redis: Redis, target: ChannelTarget, patience: Partial<Patience> = {}) {
  const url = redis.database();
  const store = await openStore({ url, folder: '', onTrouble() {}, onNote() {}, onWarning() {} });
  const messages = new Messages(store, () => {});
  const ops: Channel = {
    ...{ name: 'ops', target, on: new Set(noticeWords), failures: 1, wait: 0 },
    ...{ remind: undefined, group: 0, quiet: undefined },
  };
  let now: readonly Incident[] = [];
  const ends = new Map<string, MessageEnd>();
  const delivery = new Delivery({
    store,
    channels: () => new Map([['ops', ops]]),
    wording: () => ({
      timezone: 'UTC',
      url: 'https://ferry.example',
      redact: (text) => text.replaceAll('canary', '[secret]'),
    }),
    incidents: async () => now,
    onEnd: (id, _, end) => void ends.set(id, end),
    onError: (error) => console.error(error),
    patience: { ...quick, ...patience },
  });
  onTestFinished(async () => {
    await delivery.close();
    await messages.close();
    await store.close();
  });
  const endOf = async (id: string) => {
    await eventually(() => {
      delivery.look();
      return ends.has(id);
    });
    return eventually(async () => (await messages.find(id))?.end);
  };
  const add = (step: string, more: object = {}): Promise<KnownMessage> =>
    messages.add({
      ...{ channel: 'ops', steps: [{ incident: 'i1', step }], incidents: [evil], madeAt: start },
      ...more,
    });
  return {
    messages,
    async send(step: string, more: object = {}) {
      return endOf((await add(step, more)).id);
    },
    isNow(incidents: readonly Incident[]) {
      now = incidents;
    },
  };
}

function hook(receiver: Receiver, format: 'generic' | 'slack' | 'ntfy', secret?: string) {
  return { kind: 'webhook', url: `${receiver.url}/x`, format, secret } as const;
}

test('JSON with the three headers of Standard Webhooks, and no secret in it', async ({ redis }) => {
  const receiver = await startReceiver();
  const key = Buffer.from('a secret of many characters');
  const secret = `whsec_${key.toString('base64')}`;
  const { send } = await channelTo(redis, hook(receiver, 'generic', secret));
  expect(await send('opened')).toMatchObject({ result: 'sent' });
  const [{ headers, body }] = receiver.received as [Receiver['received'][0]];
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const expected = createHmac('sha256', key).update(signed).digest('base64');
  expect(headers).toMatchObject({
    'webhook-id': 'i1.opened.ops',
    'webhook-signature': `v1,${expected}`,
    'content-type': 'application/json',
  });
  const { data } = JSON.parse(body);
  expect(data.text.split('\n')).toEqual([
    'FAILED night: network, archive',
    '  no answer\\r\\nBcc: x@y.z <!channel> @everyone *bold* `code` <https://evil|here> [secret]',
    '  the <b>shop</b>',
    '  Since 2026-11-30 02:00 UTC, 3 times.',
    '  Next: check the line.',
    '  ferryline acknowledge i1',
    '  - a\\u202eb: no room',
    '  https://ferry.example/#/incidents/i1',
  ]);
});

test('for Slack nothing from outside is a mention, a link or markup', async ({ redis }) => {
  const receiver = await startReceiver();
  const { send } = await channelTo(redis, hook(receiver, 'slack'));
  await send('opened');
  const { blocks, text } = JSON.parse(receiver.received[0]?.body ?? '');
  expect(text).toBe('FAILED night: network, archive');
  const shown: string = blocks[0].text.text;
  expect(shown.split('\n')[0]).toBe(
    '*<https://ferry.example/#/incidents/i1|FAILED night: network, archive>*',
  );
  const rest = shown.split('\n').slice(1).join('\n');
  expect(rest).not.toMatch(/<|@everyone|\*bold\*|`code`|canary/);
  expect(rest).toContain('&lt;!channel&gt;');
});

test('for ntfy a title, a priority and plain text', async ({ redis }) => {
  const receiver = await startReceiver();
  const { send } = await channelTo(redis, hook(receiver, 'ntfy'));
  await send('opened');
  const [{ headers, body }] = receiver.received as [Receiver['received'][0]];
  expect(headers).toMatchObject({ title: 'FAILED night: network, archive', priority: 'high' });
  expect(body).toContain('no answer\\r\\nBcc');
  expect(body).not.toContain('canary');
});

test('by e-mail, in one thread, with no header from outside', async ({ redis }) => {
  const mailbox = await startMailbox();
  const to = ['ops@example.com', 'b@example.com'];
  const target = { kind: 'email', to, smtp: mailbox.url, from: 'f@example.com' } as const;
  const { send } = await channelTo(redis, target, { deadline: 5000 });
  expect(await send('opened')).toMatchObject({ result: 'sent' });
  await send('reminded-1', { replyTo: 'i1.opened.ops' });
  const [first = '', second = ''] = mailbox.mails;
  const headersOf = (mail: string) => mail.slice(0, mail.indexOf('\n\n'));
  expect(headersOf(first)).toContain('Subject: FAILED night: network, archive');
  expect(headersOf(first)).not.toMatch(/^Bcc/m);
  expect(headersOf(first)).toContain('Message-ID: <i1.opened.ops@ferryline.invalid>');
  expect(headersOf(second)).toContain('In-Reply-To: <i1.opened.ops@ferryline.invalid>');
  expect(headersOf(second)).toContain('References: <i1.opened.ops@ferryline.invalid>');
  expect(headersOf(second)).toContain('Subject: STILL FAILED night');
  mailbox.refuse = '550 no such user';
  expect(await send('recovered')).toMatchObject({ result: 'dead' });
}, 30_000);

test.for<[string, Receiver['answer'], string]>([
  ['redirects', (response) => void response.writeHead(302, { location: '/y' }).end(), 'redirects'],
  [
    'says 404',
    (response) => void response.writeHead(404).end('no such hook canary'),
    '404: no such hook [secret]',
  ],
  ['says 410', (response) => void response.writeHead(410).end(), '410'],
])('a receiver that %s has said no for good', async ([, answer, why], { redis }) => {
  const receiver = await startReceiver();
  receiver.answer = answer;
  const { send, messages } = await channelTo(redis, hook(receiver, 'generic'));
  const end = await send('opened');
  expect(end.result).toBe('dead');
  expect(end.why).toContain(why);
  expect(receiver.received).toHaveLength(1);
  // somebody has it sent once more
  receiver.answer = (response) => response.end();
  expect(await messages.again('i1.opened.ops')).toBe(true);
  await eventually(async () => (await messages.find('i1.opened.ops'))?.end?.result === 'sent');
  expect(await messages.again('i1.opened.ops')).toBe(false);
});

const failing: readonly (readonly [string, Receiver['answer']])[] = [
  ['fails', (response) => void response.writeHead(500).end()],
  ['hangs', () => {}],
  ['hangs up', (response) => void response.destroy()],
  ['has too much to do', (response) => void response.writeHead(429, { 'retry-after': '0' }).end()],
];

test.for(failing)(
  'a receiver that %s is asked again, until its time is over',
  { timeout: 30_000 },
  async ([, answer], { redis }) => {
    const receiver = await startReceiver();
    receiver.answer = answer;
    const { send } = await channelTo(redis, hook(receiver, 'generic'), { deadline: 50 });
    const end = await send('opened');
    expect(end).toMatchObject({ result: 'dead', why: expect.stringMatching(/tried \d+ times/) });
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(ids.length).toBeGreaterThan(1);
    expect(new Set(ids).size).toBe(1);
  },
);

test('of an answer of a gigabyte the beginning is read', async ({ redis }) => {
  const receiver = await startReceiver();
  let sent = 0;
  receiver.answer = (response) => {
    const piece = Buffer.alloc(1024 * 1024);
    const more = () => {
      while (!response.destroyed && sent < 1024) {
        sent++;
        if (!response.write(piece)) return void response.once('drain', more);
      }
    };
    response.on('error', () => {});
    more();
  };
  const { send } = await channelTo(redis, hook(receiver, 'generic'), { deadline: 5000 });
  expect(await send('opened')).toMatchObject({ result: 'sent' });
  expect(sent).toBeLessThan(100);
}, 30_000);

test('a message that was late says what has become of it, and that is all that is said', async ({
  redis,
}) => {
  const receiver = await startReceiver();
  const { send, isNow } = await channelTo(redis, hook(receiver, 'generic'), { inAll: 60_000 });
  receiver.answer = (response) => {
    // it ends between the first attempt and the second
    isNow([{ ...evil, closedAt: start + 60_000, closedBy: 'run b succeeded' }]);
    receiver.answer = (next) => next.end();
    response.writeHead(503).end();
  };
  expect(await send('opened')).toMatchObject({ result: 'sent', recovered: ['i1'] });
  const { data, type } = JSON.parse(receiver.received.at(-1)?.body ?? '');
  expect(type).toBe('incidents.closed');
  expect(data.title).toBe('RECOVERED night: network, archive');
});

test('the steps of sixty jobs are one message', async ({ redis }) => {
  const receiver = await startReceiver();
  const { send, messages } = await channelTo(redis, hook(receiver, 'generic'));
  const all = Array.from({ length: 60 }, (_, n) => ({ ...evil, id: `i${n}`, job: `job-${n}` }));
  const steps = all.map(({ id }) => ({ incident: id, step: 'opened' }));
  await send('', { steps, incidents: all.slice(0, 25) });
  await eventually(async () => (await messages.find('i59.opened.ops'))?.end?.result === 'carried');
  expect(receiver.received).toHaveLength(1);
  const { data } = JSON.parse(receiver.received[0]?.body ?? '');
  expect(data).toMatchObject({ title: 'INCIDENTS 60 on archive: network', more: 35 });
  expect((await messages.newest(100)).map(({ id }) => id)).toEqual(['i0.opened.ops']);
}, 30_000);
