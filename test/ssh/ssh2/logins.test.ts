/** Row 64 of docs/faults.md: servers that ask for more than a password, in this process. Real servers are in e2e/logins.test.ts. */
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { AuthContext, KeyboardAuthContext, PasswordAuthContext } from 'ssh2';
import ssh2 from 'ssh2';
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Remote } from '../../../src/core/remote.js';
import { connect } from '../../../src/ssh/connect.js';
import { asksForPassword } from '../../../src/ssh/ssh2/questions.js';
import { makeKeyPair } from '../../../src/test-server/ssh-server.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { type KeyPair, makeKey } from '../../kit/servers/keys.js';
import { remoteFor } from '../../kit/servers/remote.js';

const password = 'canary 5d1f';
let key: KeyPair;
let hostKey: ReturnType<typeof makeKeyPair>;
beforeAll(async () => {
  key = makeKey(join(await temporaryFolder(), 'key'));
  hostKey = makeKeyPair();
});

/** What the server has got: method, and the password or answers. */
let seen: string[] = [];
afterEach(() => {
  seen = [];
});

type Answer = (context: AuthContext, disconnect: (code: number, text: string) => void) => void;

/** Logs in to a server that answers like this; resolves to undefined, or to the error. */
async function logIn(answer: Answer, auth: Partial<Remote['auth']> = {}) {
  const server = new ssh2.Server({ hostKeys: [hostKey.privateKey] }, (client) => {
    client.on('error', () => {});
    const disconnect = (code: number, text: string) => {
      // biome-ignore lint/suspicious/noExplicitAny: ssh2's server disconnects without words otherwise
      const protocol = (client as any)._protocol;
      const words = Buffer.from(text);
      const packet = protocol._packetRW.write.alloc(1 + 4 + 4 + words.length + 4);
      const at = protocol._packetRW.write.allocStart;
      packet[at] = 1;
      packet.writeUInt32BE(code, at + 1);
      packet.writeUInt32BE(words.length, at + 5);
      packet.set(words, at + 9);
      packet.writeUInt32BE(0, at + 9 + words.length);
      protocol._cipher.encrypt(protocol._packetRW.write.finalize(packet));
      client.end();
    };
    client.on('authentication', (context) => {
      if (context.method === 'password') seen.push(`password ${context.password}`);
      else if (context.method !== 'none') seen.push(context.method);
      answer(context, disconnect);
    });
    client.on('ready', () =>
      client.on('session', (accept) => accept().on('sftp', (open) => void open())),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  return failureAt(port, auth);
}

async function failureAt(port: number, auth: Partial<Remote['auth']> = {}) {
  const host = {
    host: '127.0.0.1' as const,
    port,
    username: 'ida',
    keyFile: key.file,
    hostKeyFingerprint: hostKey.publicKey,
  };
  const remote = remoteFor(host, {
    auth: { keys: [], keysOptional: false, password, ...auth },
    replyTimeout: 2000,
  });
  try {
    const transport = await connect(remote, () => {}, new AbortController().signal);
    await transport.close();
    return undefined;
  } catch (thrown) {
    const { kind, message, hint } = thrown as { kind: string; message: string; hint: string };
    expect(message + hint).not.toContain(password);
    return { kind, message, hint };
  }
}

const isRight = (context: AuthContext) =>
  context.method === 'publickey' ||
  (context.method === 'password' && context.password === password);

describe('password and key are both wanted', () => {
  test.each([
    ['password', 'publickey'],
    ['publickey', 'password'],
  ] as const)('%s, then %s', async (first, second) => {
    let left = [first, second] as string[];
    const error = await logIn(
      (context) => {
        if (context.method !== left[0] || !isRight(context)) return context.reject(left as never);
        if (context.method === 'publickey' && context.signature === undefined)
          return context.accept();
        left = left.slice(1);
        if (left.length === 0) context.accept();
        else context.reject(left as never, true);
      },
      { keys: [key.file] },
    );
    expect(error).toBeUndefined();
  });

  test('and the second is wrong: 5, with what was wanted', async () => {
    const error = await logIn(
      (context) =>
        context.method === 'publickey'
          ? context.reject(['password'], true)
          : context.reject(['password']),
      { keys: [key.file] },
    );
    expect(error).toMatchObject({ kind: 'auth' });
    expect(error?.message).toContain('wants password');
  });

  test('a server that never has enough', async () => {
    const error = await logIn((context) => context.reject(['publickey', 'password'], true), {
      keys: [key.file],
    });
    expect(error).toMatchObject({ kind: 'auth' });
    expect(seen.length).toBeLessThanOrEqual(3);
  });
});

/** Answers keyboard-interactive by asking these, one after another. */
function asking(
  rounds: readonly (readonly [prompt: string, instructions?: string])[],
  answers: string[] = [],
): Answer {
  return (context) => {
    if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive']);
    const ask = (context: KeyboardAuthContext, round: number) => {
      const [prompt, instructions] = rounds[round] ?? [];
      if (prompt === undefined) return context.accept();
      const prompts = prompt === '' ? [] : [{ prompt, echo: false }];
      // biome-ignore lint/suspicious/noExplicitAny: the types leave out the form with instructions
      (context as any).prompt(prompts, 'login', instructions ?? '', (given: string[]) => {
        answers.push(...given);
        ask(context, round + 1);
      });
    };
    ask(context, 0);
  };
}

describe('questions', () => {
  test('for the password alone', async () => {
    const answers: string[] = [];
    expect(await logIn(asking([["ida@box's password: "]], answers))).toBeUndefined();
    expect(answers).toEqual([password]);
  });

  test('words without a question', async () => {
    expect(await logIn(asking([['Password: '], ['', 'It will expire in 3 days']]))).toBeUndefined();
  });

  test.each([
    ['a code', [['Verification code: ']], []],
    ['a code after the password', [['Password: '], ['Verification code: ']], [password]],
    ['a one-time password', [['One-time password (OATH) for `ida`: ']], []],
    ['both at once', [['Password & verification code: ']], []],
    ['the password twice', [['Password: '], ['Password: ']], [password]],
  ] as const)('%s: 5, its words', async (_, rounds, given) => {
    const answers: string[] = [];
    const error = await logIn(asking(rounds, answers));
    expect(error).toMatchObject({ kind: 'auth' });
    expect(error?.message).toContain(rounds.at(-1)?.[0].trim());
    expect(answers).toEqual(given);
  });

  test('without end: 5', async () => {
    const error = await logIn(asking(Array.from({ length: 1000 }, () => ['', 'wait'] as const)));
    expect(error).toMatchObject({ kind: 'auth' });
    expect(error?.message).toContain('without end');
  });

  test.each([
    [true, 'Password:'],
    [true, "key-token@box's password: "],
    [true, 'Password for ida@code.example:'],
    [true, '(ida@box) Passwort: '],
    [true, 'Mot de passe : '],
    [true, 'Пароль: '],
    [false, '(current) UNIX password: '],
    [false, 'New password: '],
    [false, 'Retype new password: '],
    [false, 'Passcode or option (1-3): '],
    [false, 'Username: '],
    [false, 'Response: '],
    [false, 'Do you accept? '],
    [false, ''],
  ])('the password answers (%s): %j', (expected, prompt) => {
    expect(asksForPassword([{ prompt, echo: false }], ['ida', 'box'])).toBe(expected);
    expect(asksForPassword([{ prompt, echo: true }])).toBe(false);
    expect(asksForPassword([{ prompt }, { prompt }])).toBe(false);
  });
});

describe('a change of the password is asked for: 5, its words', () => {
  test('by the method password', async () => {
    const error = await logIn((context) => {
      if (context.method !== 'password') return context.reject(['password']);
      (context as PasswordAuthContext).requestChange('Your password has expired.', () => {});
    });
    expect(error).toMatchObject({ kind: 'auth' });
    expect(error?.message).toContain('Your password has expired.');
    expect(seen).toEqual([`password ${password}`]);
  });

  test('by a question', async () => {
    const error = await logIn(
      asking([['Password: '], ['New password: ', 'You must change your password']]),
    );
    expect(error).toMatchObject({ kind: 'auth' });
    expect(error?.message).toContain('wants the password changed');
  });
});

test.each([
  ['auth', 2, 'Too many authentication failures'],
  ['auth', 11, 'Bye'],
  ['auth', 14, 'No more authentication methods available'],
  ['network', 12, 'Too many connections'],
  ['network', 11, 'The server is shutting down'],
])('the server hangs up during the login: %s (%i, %s)', async (kind, code, words) => {
  const error = await logIn((_, disconnect) => disconnect(code, words));
  expect(error).toMatchObject({ kind });
  expect(error?.message).toContain(words);
});

test('of many keys five are offered, the named one first', async () => {
  const folder = await temporaryFolder();
  const many = Array.from({ length: 8 }, (_, i) => makeKey(join(folder, `k${i}`)).file);
  const offered: string[] = [];
  const error = await logIn(
    (context) => {
      if (context.method === 'publickey') offered.push(context.key.data.toString('base64'));
      context.reject(['publickey']);
    },
    { keys: [key.file, ...many] },
  );
  expect(error).toMatchObject({ kind: 'auth' });
  expect(error?.message).toContain('4 more keys were not offered');
  expect(offered).toHaveLength(5);
  expect(offered[0]).toBe(readFileSync(`${key.file}.pub`, 'utf8').split(' ')[1]?.trim());
});

describe('row 65: a port that speaks something else: 4, its first bytes, what to do', () => {
  /** A server that sends this at once, or in answer to the client's first line; it leaves the line open. */
  async function speaking(text: string, waits = false): Promise<number> {
    const sockets = new Set<Socket>();
    const server: Server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      if (waits) socket.once('data', () => socket.write(text, 'latin1'));
      else socket.write(text, 'latin1');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return (server.address() as { port: number }).port;
  }

  test.each([
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n', true, '"HTTP/1.1 400 Bad Request'],
    ['SMTP', '220 box.example ESMTP Postfix\r\n', false, '"220 box.example ESMTP Postfix"'],
    ['TLS', '\x15\x03\x01\x00\x02\x02\x16', true, 'TLS'],
    ['FTP', '220 (vsFTPd 3.0.3)\r\n', false, 'FTP'],
    ['something without a name', 'hello\r\n', false, '"hello"'],
  ])('%s', async (_, text, waits, shown) => {
    const error = await failureAt(await speaking(text, waits));
    expect(error).toMatchObject({ kind: 'network' });
    expect(error?.message).toContain(shown);
    expect(error?.message).toContain('does not speak SSH');
    expect(error?.hint).toContain('`port`');
  });
});
