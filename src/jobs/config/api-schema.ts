/** The key `api`: its form, and what becomes of it. */
import { z } from 'zod';
import {
  type ApiRules,
  type ApiToken,
  defaultListen,
  isLoopback,
  parseListen,
} from '../../core/api-rules.js';
import { kinds, name, oneOf, section } from './fields.js';
import type { WithOff } from './off.js';
import type { ConfigProblems } from './problems.js';

const shortestToken = 20;
const longestToken = 512;

const listenMessage =
  'must be an IP address or localhost, and a port, such as 127.0.0.1:7022 or "[::1]:7022"';
const listen = z
  .string({ error: listenMessage })
  .refine((text) => parseListen(text) !== undefined, listenMessage)
  .register(kinds, { words: 'an IP address or localhost, and a port' });

const urlMessage =
  'must be the address people use, such as https://ferryline.example or https://ops.example/ferryline';
const url = z
  .string({ error: urlMessage })
  .refine(isPlainUrl, urlMessage)
  .register(kinds, { words: 'an address that begins with http:// or https://' });

const token = z
  .string()
  .min(shortestToken, {
    error: `has fewer than ${shortestToken} characters, so it could be guessed; \`openssl rand -hex 24\` makes one`,
  })
  .max(longestToken, { error: `has more than ${longestToken} characters` })
  .regex(/^[!-~]+$/, 'must have only visible ASCII characters, and no space')
  .register(kinds, { words: `text of at least ${shortestToken} characters` });

/** Keys of a token. */
export const apiToken = section({
  role: oneOf('role', ['view', 'operate'])
    .describe('view: reads. operate: also runs, cancels, pauses and resumes.')
    .meta({ examples: ['view'] }),
  token: token
    .describe(
      'What a request shows as `Authorization: Bearer TOKEN`, of at least 20 characters; "${file:/etc/ferryline/wall.token}" reads it from a file.',
    )
    .meta({ examples: ['${file:/etc/ferryline/wall.token}'] }),
});

export const api = section({
  listen: listen
    .optional()
    .describe(
      'Address and port on which the role `api` answers. One that other machines can reach needs a token, and leaves TLS to a reverse proxy. Port 0: any free one. `api: false`: none. Default: 127.0.0.1:7022.',
    )
    .meta({ default: '127.0.0.1:7022', examples: ['0.0.0.0:7022'] }),
  url: url
    .optional()
    .describe(
      'The address that people and programs use, where it is not the one of `listen`: that of a reverse proxy, with its path. Requests for other hosts are refused. Default: none.',
    )
    .meta({ examples: ['https://ferryline.example'] }),
  tokens: z
    .record(name, apiToken)
    .optional()
    .describe(
      'Who may use the API over TCP: the name is recorded with each action. Without any, only /healthz and /readyz answer. Default: none.',
    )
    .meta({
      examples: [{ wall: { role: 'view', token: '${file:/etc/ferryline/wall.token}' } }],
    }),
});

type RawApi = WithOff<z.infer<typeof api>> | false | undefined;

/** The rules; an address that other machines can reach without a token is a problem of jobs.yml. */
export function normaliseApi(raw: RawApi, problems: ConfigProblems): ApiRules {
  if (raw === false || raw?.listen === false)
    return { listen: undefined, isChosen: true, url: undefined, tokens: [] };
  if (problems.under('api'))
    return { listen: defaultListen, isChosen: false, url: undefined, tokens: [] };
  const found: readonly ApiToken[] = Object.entries(raw?.tokens || {}).map(([who, rest]) => ({
    name: who,
    ...rest,
  }));
  const chosen = raw?.listen === undefined ? undefined : parseListen(raw.listen);
  const address = chosen ?? defaultListen;
  if (found.length === 0 && !isLoopback(address.host))
    problems.add({
      path: ['api', 'listen'],
      message:
        'is an address that other machines can reach, so it needs a token; add one to api.tokens, or listen on 127.0.0.1',
    });
  for (const [at, { name: who, token: value }] of found.entries())
    if (found.slice(0, at).some((other) => other.token === value))
      problems.add({
        path: ['api', 'tokens', who, 'token'],
        message:
          'is also the token of another name; each needs its own, since the log names who did what',
      });
  return {
    listen: address,
    isChosen: chosen !== undefined,
    url: raw?.url ? raw.url.replace(/\/+$/, '') : undefined,
    tokens: found,
  };
}

function isPlainUrl(text: string): boolean {
  if (!/^https?:\/\/[^\s]+$/.test(text) || !URL.canParse(text)) return false;
  const { username, password, search, hash } = new URL(text);
  return `${username}${password}${search}${hash}` === '';
}
