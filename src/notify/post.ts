/** Requests to webhooks: a deadline for each, no redirects, and of an answer the beginning alone. */
import { terminalSafe } from '../core/text.js';

/** Why a message did not arrive, and whether to try again. */
export class NotDelivered extends Error {
  readonly again: boolean;
  /** Not before so many milliseconds, as the other side asked. */
  readonly afterMs: number | undefined;

  constructor(why: string, again: boolean, afterMs?: number) {
    super(why);
    this.again = again;
    this.afterMs = afterMs;
  }
}

/** From the first name that is looked up to the end of the answer's head. */
export const deadlineMs = 10_000;
/** What is read of an answer, bytes; the connection is closed there. */
const mostRead = 1024;
/** The longest that another side may have us wait. */
const longestWaitMs = 24 * 3_600_000;

interface PostOptions {
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly deadline?: number;
}

/** Resolves to the headers of an answer that says yes. Errors: NotDelivered. */
export async function post(
  url: string,
  { body = '', headers = {}, deadline = deadlineMs }: PostOptions,
): Promise<Headers> {
  const signal = AbortSignal.timeout(deadline);
  let response: Response;
  let said: string;
  try {
    response = await fetch(url, {
      ...{ method: 'POST', body, redirect: 'manual', signal },
      headers: { 'user-agent': 'ferryline', ...headers },
    });
    said = await beginning(response);
  } catch (thrown) {
    if (signal.aborted) throw new NotDelivered(`no answer within ${deadline / 1000} s`, true);
    const { cause, message } = thrown as Error & { readonly cause?: Error };
    throw new NotDelivered(terminalSafe(cause?.message || message), true);
  }
  if (response.ok) return response.headers;
  const { status } = response;
  const text = said === '' ? '' : `: ${said}`;
  if (status >= 300 && status < 400)
    throw new NotDelivered(`it redirects (${status}), which is not followed`, false);
  const again = status >= 500 || status === 429 || status === 408;
  throw new NotDelivered(`it answers ${status}${text}`, again, waitIn(response.headers));
}

/** The first characters of an answer, on one line. */
async function beginning(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return '';
  let text = '';
  if (!response.ok) {
    const decoder = new TextDecoder();
    for (let read = 0; read < mostRead; ) {
      const { done, value } = await reader.read();
      if (done) break;
      read += value.length;
      text += decoder.decode(value.subarray(0, mostRead), { stream: true });
    }
  }
  await reader.cancel().catch(() => {});
  return terminalSafe(text.trim().slice(0, 200));
}

/** Retry-After (RFC 9110 §10.2.3): seconds, or a date. */
function waitIn(headers: Headers): number | undefined {
  const text = headers.get('retry-after');
  if (text === null) return undefined;
  const ms = /^\d{1,9}$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), longestWaitMs);
}
