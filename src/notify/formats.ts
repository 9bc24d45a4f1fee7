/** A message as each kind of channel takes it. What comes from outside means nothing to whoever shows it: no mention, no link, no markup. Pure. */
import { createHmac } from 'node:crypto';
import { present } from '../core/present.js';
import type { Message } from './messages.js';
import type { Notice, NoticeItem } from './notice.js';

/** A request to a webhook. */
export interface Posted {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Slack's limit for a section, and ntfy's for a message, characters and bytes. */
const slackSection = 3000;
const ntfyMessage = 4000;

/**
 * For Slack and Mattermost. Slack: "Formatting text for app surfaces": `&`, `<` and `>` are escaped, and
 * with them every mention and link; `@everyone`, `*`, `_`, `~` and backticks get a character of no width.
 */
export function slackBody(notice: Notice): Posted {
  const sections = notice.items.map((item) => slackText(item));
  const rest = notice.more > 0 ? [`and ${notice.more} more`] : [];
  const text = (body: string) => ({
    type: 'section',
    text: { type: 'mrkdwn', text: body, verbatim: true },
  });
  const blocks = [...sections, ...rest].slice(0, 45).map((body) => text(body));
  return json({ text: inert(notice.title), blocks });
}

function slackText({ title, lines, failures, link }: NoticeItem): string {
  const bold = link === undefined ? `*${inert(title)}*` : `*<${slackUrl(link)}|${inert(title)}>*`;
  const listed = failures.map((one) => `• ${inert(one)}`);
  return cutAt([bold, ...lines.map(inert), ...listed].join('\n'), slackSection);
}

/** `&`, `<` and `>` as Slack wants them; what makes markup or a mention is parted from what follows. */
function inert(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[@*_~`]/g, (mark) => `${mark}\u200b`);
}

function slackUrl(url: string): string {
  return encodeURI(url).replace(/[<>|]/g, (mark) => encodeURIComponent(mark));
}

/** For a topic of ntfy (docs.ntfy.sh/publish): plain text, whose first line is the title. A header has ASCII alone, so the others are written as RFC 2047 says. */
export function ntfyBody(notice: Notice): Posted {
  const body = cutAt(plainLines(notice).slice(1).join('\n') || notice.title, ntfyMessage);
  const link = notice.items.length === 1 ? notice.items[0]?.link : undefined;
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    title: headerText(notice.title),
    priority: notice.isGood ? 'default' : 'high',
    tags: notice.isGood ? 'white_check_mark' : 'warning',
    ...present({ click: link }),
  };
  return { body, headers };
}

/**
 * For programs: JSON, signed as Standard Webhooks says (standardwebhooks.com, "Signature scheme"): the id of the
 * message, the moment in seconds, and `v1,` with HMAC-SHA256 over `ID.MOMENT.BODY` in base64.
 */
export function genericBody({
  id,
  message,
  notice,
  now,
  secret,
}: {
  readonly id: string;
  readonly message: Message;
  readonly notice: Notice;
  /** Ms since the epoch. */
  readonly now: number;
  readonly secret: string | undefined;
}): Posted {
  const steps = new Map(message.steps.map(({ incident, step }) => [incident, step]));
  const iso = (ms: number | undefined) =>
    ms === undefined ? undefined : new Date(ms).toISOString();
  const incidents = message.incidents.map((one, at) => ({
    id: one.id,
    step: steps.get(one.id) ?? 'opened',
    cause: one.cause,
    state: one.closedAt === undefined ? 'open' : 'closed',
    ...present({ job: one.job, description: one.description, remote: one.remote, kind: one.kind }),
    ...present({ run: one.run, message: one.message, hint: one.hint }),
    ...{ count: one.count, openedAt: iso(one.openedAt) },
    ...present({ closedAt: iso(one.closedAt), closedBy: one.closedBy }),
    ...present({ lastSuccess: iso(one.lastSuccess), link: notice.items[at]?.link }),
    ...present({ failures: one.failures, failuresOmitted: one.failuresOmitted }),
  }));
  const type = notice.isGood ? 'incidents.closed' : 'incidents.open';
  const data = {
    title: notice.title,
    text: plainLines(notice).join('\n'),
    incidents,
    more: notice.more,
  };
  const posted = json({ type, timestamp: new Date(message.madeAt).toISOString(), data });
  const seconds = String(Math.floor(now / 1000));
  const signature =
    secret === undefined ? undefined : signed(`${id}.${seconds}.${posted.body}`, secret);
  const headers = { 'webhook-id': id, 'webhook-timestamp': seconds };
  return {
    ...posted,
    headers: { ...posted.headers, ...headers, ...present({ 'webhook-signature': signature }) },
  };
}

function signed(text: string, secret: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : secret;
  return `v1,${createHmac('sha256', key).update(text).digest('base64')}`;
}

/** The whole of a message as lines of plain text, as an e-mail has it. */
export function plainLines(notice: Notice): string[] {
  const items = notice.items.flatMap(({ title, lines, failures, link }) => [
    title,
    ...lines.map((line) => `  ${line}`),
    ...failures.map((line) => `  - ${line}`),
    ...(link === undefined ? [] : [`  ${link}`]),
  ]);
  const rest = notice.more > 0 ? [`and ${notice.more} more`] : [];
  return notice.items.length === 1 ? [...items, ...rest] : [notice.title, ...items, ...rest];
}

/** One line that is safe in a header: other than ASCII as RFC 2047 §2 writes it. */
function headerText(text: string): string {
  const line = text.replace(/[\r\n]+/g, ' ');
  if (/^[\x20-\x7e]*$/.test(line)) return line;
  return `=?UTF-8?B?${Buffer.from(line).toString('base64')}?=`;
}

function json(value: object): Posted {
  return { body: JSON.stringify(value), headers: { 'content-type': 'application/json' } };
}

function cutAt(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
