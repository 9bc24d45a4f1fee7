/** Real commands that print the secrets of a login. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FerryError } from '../../src/core/errors.js';
import { learntSecrets } from '../../src/core/learnt-secrets.js';
import type { Remote, SecretText } from '../../src/core/remote.js';
import { redactor } from '../../src/observe/redact.js';
import { loginSecrets } from '../../src/ssh/secret-command.js';
import { temporaryFolder } from '../kit/files/temporary.js';

const never = new AbortController().signal;

function login(password: SecretText, signal = never) {
  const remote = { name: 'archive', auth: { keys: [], keysOptional: false, password } };
  return loginSecrets(remote as unknown as Remote, signal);
}

async function secret(...command: string[]) {
  return { secret: 'bank', command, folder: await temporaryFolder() };
}

/** The error of a login whose secret is printed by a shell script. */
async function failure(script: string): Promise<FerryError> {
  const command = await secret('sh', '-c', script);
  return login({ parts: [command] }).then(
    () => expect.fail('it did not fail'),
    (error) => error,
  );
}

describe('what a command prints', () => {
  test('is the secret, without one line end; other text stays', async () => {
    const parts = ['<', await secret('printf', '%s', '$HOME; a b'), await secret('echo', 'c'), '>'];
    expect(await login({ parts })).toEqual({ password: '<$HOME; a bc>' });
    expect(await login({ parts: [await secret('printf', 'x\n\n')] })).toEqual({ password: 'x\n' });
    expect(await login('written')).toEqual({ password: 'written' });
  });

  test('is hidden in everything that is printed from then on', async () => {
    const redact = redactor(['other-canary']);
    const line = 'canary-printed-3107 and other-canary';
    expect(redact(line)).toBe('canary-printed-3107 and [secret]');
    await login({ parts: ['first ', await secret('echo', 'canary-printed-3107')] });
    expect(redact(line)).toBe('[secret] and [secret]');
    expect(redactor([])(line)).toBe('[secret] and other-canary');
  });

  test('the command has the environment of the process, and runs beside jobs.yml', async () => {
    const command = await secret('sh', '-c', 'printf %s "$PATH $(cat here)"');
    writeFileSync(join(command.folder, 'here'), 'mine');
    expect(await login({ parts: [command] })).toEqual({ password: `${process.env.PATH} mine` });
  });
});

describe('a command that', () => {
  test.each([
    ['fails', 'echo "no lease" >&2; echo more >&2; exit 3', 'failed (exit 3): no lease'],
    ['says nothing', 'exit 1', 'failed (exit 1)'],
    ['is killed', 'kill -9 $$', 'failed (SIGKILL)'],
    [
      'complains with escapes',
      'printf "\\033[2Jbad\\n" >&2; exit 1',
      'failed (exit 1): \\x1b[2Jbad',
    ],
    ['prints nothing', 'true', 'printed nothing'],
    ['prints no text', "printf '\\377'", 'printed something that is not UTF-8 text'],
    ['floods', 'yes canary-flood', 'printed more than 64 KiB, and was killed'],
    [
      'repeats the secret in its complaint',
      'echo canary-echoed; echo "bad: canary-echoed" >&2; exit 1',
      'failed (exit 1): bad: [secret]',
    ],
  ])('%s: auth, in words', async (_what, script, words) => {
    const { kind, message, hint } = await failure(script);
    expect(kind).toBe('auth');
    expect(message).toContain(`archive: the command of the secret bank ${words}`);
    expect(hint).toContain('`secrets.bank`');
    expect(message).not.toContain('canary');
  });

  test('does not exist, or may not be executed: auth', async () => {
    const no = await login({ parts: [await secret('/no/such/program')] }).catch((error) => error);
    expect(no).toMatchObject({ kind: 'auth' });
    expect(no.message).toContain("can't be run: there is no such program: /no/such/program");
    const file = join(await temporaryFolder(), 'file');
    writeFileSync(file, '');
    const bare = await login({ parts: [await secret(file)] }).catch((error) => error);
    expect(bare.message).toContain("can't be run: it may not be executed");
  });

  test('hangs: killed after 10 s, with all that it has started', async () => {
    const command = await secret('sh', '-c', 'sleep 1000 & echo $! >child; wait');
    const error = await login({ parts: [command] }).catch((thrown) => thrown);
    expect(error).toMatchObject({ kind: 'auth' });
    expect(error.message).toContain('did not end within 10 s, and was killed');
    const child = readFileSync(join(command.folder, 'child'), 'utf8');
    await expect.poll(() => isRunning(child)).toBe(false);
  }, 30_000);

  test('is not needed any more: killed at once', async () => {
    const command = await secret('sh', '-c', 'echo $$ >pid; exec sleep 1000');
    const controller = new AbortController();
    const going = login({ parts: [command] }, controller.signal).catch((thrown) => thrown);
    await expect.poll(() => existsSync(join(command.folder, 'pid'))).toBe(true);
    controller.abort(new Error('cancelled'));
    expect((await going).message).toBe('cancelled');
    const pid = readFileSync(join(command.folder, 'pid'), 'utf8');
    await expect.poll(() => isRunning(pid)).toBe(false);
  });
});

test('a thousand newer secrets push out the oldest', () => {
  learntSecrets.add('canary-oldest');
  for (let n = 0; n < 1000; n++) learntSecrets.add(`canary-newer-${n}`);
  expect([...learntSecrets.values]).toHaveLength(1000);
  expect([...learntSecrets.values]).not.toContain('canary-oldest');
});

/** Whether a process runs; one that was killed may wait for its parent for ever. */
function isRunning(pid: string): boolean {
  const stat = `/proc/${pid.trim()}/stat`;
  return existsSync(stat) && !/\) Z /.test(readFileSync(stat, 'utf8'));
}
