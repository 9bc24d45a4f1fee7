/** Messages by e-mail: plain text, in one thread for each incident. */
import { hostname } from 'node:os';
import { createTransport } from 'nodemailer';
import type { ChannelTarget } from '../core/notify.js';
import { terminalSafe } from '../core/text.js';
import { plainLines } from './formats.js';
import type { Notice } from './notice.js';
import { deadlineMs, NotDelivered } from './post.js';

export interface Mail {
  /** The message's, which makes its Message-ID. */
  readonly id: string;
  readonly notice: Notice;
  /** The message that began the thread; undefined: this one. */
  readonly replyTo: string | undefined;
}

/** Sends it. Errors: NotDelivered. */
export async function sendMail(
  { to, smtp, from }: Extract<ChannelTarget, { kind: 'email' }>,
  { id, notice, replyTo }: Mail,
  deadline = deadlineMs,
): Promise<void> {
  const waits = { connectionTimeout: deadline, greetingTimeout: deadline, socketTimeout: deadline };
  const url = new URL(smtp);
  const transport = createTransport({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || (url.protocol === 'smtps:' ? 465 : 25),
    secure: url.protocol === 'smtps:',
    ...(url.username !== '' && {
      auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) },
    }),
    ...waits,
    dnsTimeout: deadline,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const inThread = replyTo === undefined ? {} : threadOf(replyTo);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const why = `no answer within ${deadline / 1000} s`;
    timer = setTimeout(() => reject(new NotDelivered(why, true)), deadline);
  });
  try {
    const sending = transport.sendMail({
      from: from ?? `ferryline@${hostname()}`,
      to: [...to],
      subject: notice.title,
      text: `${plainLines(notice).join('\n')}\n`,
      messageId: messageIdOf(id),
      ...inThread,
      headers: { 'Auto-Submitted': 'auto-generated' },
    });
    await Promise.race([sending, late]);
  } catch (thrown) {
    if (thrown instanceof NotDelivered) throw thrown;
    const { responseCode = 0, message } = thrown as Error & { readonly responseCode?: number };
    // RFC 5321 §4.2.1: 5yz is for good.
    throw new NotDelivered(terminalSafe(message), responseCode < 500);
  } finally {
    clearTimeout(timer);
    transport.close();
  }
}

/** RFC 5322 §3.6.4. */
function messageIdOf(id: string): string {
  return `<${id}@ferryline.invalid>`;
}

function threadOf(first: string) {
  return { inReplyTo: messageIdOf(first), references: messageIdOf(first) };
}
