import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import { checkKeyFile, readKeys } from '../../../src/ssh/ssh2/key-file.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { type KeyPair, makeKey } from '../../kit/servers/keys.js';

const secret = 'correct horse canary';
let folder: string;
let plain: KeyPair;
let locked: KeyPair;

beforeAll(async () => {
  folder = await temporaryFolder();
  plain = makeKey(join(folder, 'plain'));
  locked = makeKey(join(folder, 'locked'), 'ed25519', secret);
});

async function failure(keys: readonly string[], passphrase?: string): Promise<FerryError> {
  const error = await readKeys({
    keys,
    keysOptional: false,
    ...(passphrase === undefined ? {} : { passphrase }),
  }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof FerryError)) throw new Error('no FerryError', { cause: error });
  expect(error.message + error.hint).not.toContain(secret);
  return error;
}

describe('keys ssh-keygen makes', () => {
  test.each(['ed25519', 'rsa', 'ecdsa'] as const)('%s, and it signs', async (type) => {
    const pair = makeKey(join(folder, `made-${type}`), type);
    const [read] = await readKeys({ keys: [pair.file], keysOptional: false });
    expect(read?.path).toBe(pair.file);
    const [, base64] = pair.publicKey.split(' ');
    expect(read?.key.getPublicSSH().toString('base64')).toBe(base64);
    const signature = read?.key.sign('data');
    expect(signature).toBeInstanceOf(Buffer);
    expect(read?.key.verify('data', signature ?? Buffer.alloc(0))).toBe(true);
  });

  test('PEM, locked', async () => {
    const pair = makeKey(join(folder, 'pem'), 'rsa', secret);
    execFileSync(
      'ssh-keygen',
      ['-q', '-p', '-m', 'PEM', '-P', secret, '-N', secret, '-f', pair.file],
      {
        stdio: 'ignore',
      },
    );
    const read = await readKeys({ keys: [pair.file], keysOptional: false, passphrase: secret });
    expect(read).toHaveLength(1);
    expect(await failure([pair.file], 'wrong')).toMatchObject({ kind: 'auth' });
    expect(await failure([pair.file])).toMatchObject({ kind: 'auth' });
  });

  test('in the order given', async () => {
    const read = await readKeys({
      keys: [locked.file, plain.file],
      keysOptional: false,
      passphrase: secret,
    });
    expect(read.map(({ path }) => path)).toEqual([locked.file, plain.file]);
  });
});

test('a locked key: auth without its passphrase, and with a wrong one', async () => {
  const without = await failure([locked.file]);
  expect(without).toMatchObject({ kind: 'auth' });
  expect(without.message).toContain(`${locked.file} needs its passphrase`);
  const wrong = await failure([locked.file], 'wrong');
  expect(wrong).toMatchObject({ kind: 'auth' });
  expect(wrong.message).toContain('does not open it');
  expect(wrong.message).not.toContain('wrong');
});

test.each([0o644, 0o640, 0o604, 0o610, 0o602])('others may use it (%o): config', async (mode) => {
  const pair = makeKey(join(folder, `mode-${mode.toString(8)}`));
  chmodSync(pair.file, mode);
  const error = await failure([pair.file]);
  expect(error.kind).toBe('config');
  expect(error.message).toContain(`mode 0${mode.toString(8)}`);
  expect(error.hint).toBe(`chmod 600 ${pair.file}`);
});

test("another owner's file is not judged, as in OpenSSH", () => {
  expect(() => checkKeyFile('k', { mode: 0o100440, uid: 1 }, 2)).not.toThrow();
  expect(() => checkKeyFile('k', { mode: 0o100440, uid: 2 }, 2)).toThrow(FerryError);
  expect(() => checkKeyFile('k', { mode: 0o100600, uid: 2 }, 2)).not.toThrow();
});

test('missing, a folder, too large, not a key, a public key: config', async () => {
  const missing = join(folder, 'missing');
  expect(await failure([missing])).toMatchObject({ kind: 'config', code: 'ENOENT' });
  const dir = join(folder, 'dir');
  mkdirSync(dir);
  expect(await failure([dir])).toMatchObject({
    kind: 'config',
    message: `the private key ${dir} is a folder`,
    hint: `name the file in it, such as ${dir}/id_ed25519`,
  });
  const large = join(folder, 'large');
  writeFileSync(large, Buffer.alloc(65_537), { mode: 0o600 });
  expect((await failure([large])).message).toContain('too large');
  const junk = join(folder, 'junk');
  writeFileSync(junk, `${secret}\n`, { mode: 0o600 });
  const error = await failure([junk]);
  expect(error).toMatchObject({ kind: 'config' });
  expect(error.hint).toContain('ssh-keygen -p');
  chmodSync(`${plain.file}.pub`, 0o600);
  expect((await failure([`${plain.file}.pub`])).message).toContain(' is a public key');
});

test('optional keys: what cannot be used is passed over with a note, a missing one silently', async () => {
  const open = makeKey(join(folder, 'open'));
  chmodSync(open.file, 0o644);
  const notes: string[] = [];
  const read = await readKeys(
    { keys: [join(folder, 'none'), open.file, locked.file, plain.file], keysOptional: true },
    (note) => notes.push(note),
  );
  expect(read.map(({ path }) => path)).toEqual([plain.file]);
  expect(notes).toHaveLength(2);
  expect(notes[0]).toContain(`${open.file} can be used by others`);
  expect(notes[1]).toContain(`${locked.file} needs its passphrase; it is skipped`);
});

/** A key that ssh-keygen has rewritten with these arguments. */
function rewritten(name: string, type: 'ed25519' | 'rsa' | 'ecdsa', ...args: string[]): KeyPair {
  const pair = makeKey(join(folder, name), type);
  execFileSync('ssh-keygen', ['-q', '-p', '-N', '', ...args, '-f', pair.file], { stdio: 'ignore' });
  return pair;
}

describe('PKCS#8', () => {
  test.each(['rsa', 'ecdsa', 'ed25519'] as const)('%s, plain and encrypted', async (type) => {
    const file = join(folder, `p8-${type}`);
    const pair = generateKeyPairSync(
      ...((type === 'rsa'
        ? ['rsa', { modulusLength: 2048 }]
        : type === 'ecdsa'
          ? ['ec', { namedCurve: 'P-384' }]
          : ['ed25519', {}]) as ['rsa', { modulusLength: number }]),
    );
    const write = (passphrase?: string) =>
      writeFileSync(
        file,
        pair.privateKey.export({
          type: 'pkcs8',
          format: 'pem',
          ...(passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase }),
        }),
        { mode: 0o600 },
      );
    write();
    const [plainKey] = await readKeys({ keys: [file], keysOptional: false });
    const signature = plainKey?.key.sign('data');
    expect(plainKey?.key.verify('data', signature as Buffer)).toBe(true);
    write(secret);
    const [lockedKey] = await readKeys({ keys: [file], keysOptional: false, passphrase: secret });
    expect(lockedKey?.key.getPublicSSH()).toEqual(plainKey?.key.getPublicSSH());
    expect(await failure([file])).toMatchObject({ kind: 'auth' });
    const wrong = await failure([file], 'wrong');
    expect(wrong).toMatchObject({ kind: 'auth' });
    expect(wrong.message).toContain('does not open it');
  });

  test('as ssh-keygen writes it', async () => {
    const pair = rewritten('p8-made', 'rsa', '-m', 'PKCS8');
    const [read] = await readKeys({ keys: [pair.file], keysOptional: false });
    expect(read?.key.getPublicSSH().toString('base64')).toBe(pair.publicKey.split(' ')[1]);
  });

  test('of a type that SSH does not have', async () => {
    const file = join(folder, 'p8-ed448');
    const { privateKey } = generateKeyPairSync('ed448');
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    expect(await failure([file])).toMatchObject({ kind: 'config' });
  });
});

describe('a format that is not read is refused with the command that converts it', () => {
  test.each(['2', '3'])('PuTTY, version %s', async (version) => {
    const file = join(folder, "it's mine.ppk");
    const text = `PuTTY-User-Key-File-${version}: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 2\n`;
    writeFileSync(file, text, { mode: 0o600 });
    const error = await failure([file]);
    expect(error).toMatchObject({ kind: 'config' });
    const word = `'${file.replace("'", "'\\''")}'`;
    expect(error.hint).toContain(`puttygen ${word} -O private-openssh -o ${word}.openssh`);
  });

  test("OpenSSH's with chacha20: no wrong passphrase, and the command works", async () => {
    const pair = rewritten(
      'chacha',
      'ed25519',
      '-Z',
      'chacha20-poly1305@openssh.com',
      '-N',
      secret,
    );
    const error = await failure([pair.file], secret);
    expect(error).toMatchObject({ kind: 'config' });
    expect(error.message).toContain('chacha20-poly1305@openssh.com');
    const [program = '', ...args] = (/`(.+)`/.exec(error.hint ?? '')?.[1] ?? '').split(' ');
    execFileSync(program, [...args, '-P', secret, '-N', secret], { stdio: 'ignore' });
    expect(
      await readKeys({ keys: [pair.file], keysOptional: false, passphrase: secret }),
    ).toHaveLength(1);
  });
});
