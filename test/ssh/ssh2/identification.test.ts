/** The server's first line reaches ssh2 whole, however it comes. */
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { joinIdentification } from '../../../src/ssh/ssh2/identification.js';

/** Sends these segments; resolves to the chunks that came out. */
async function through(segments: readonly string[]): Promise<string[]> {
  const stream = new PassThrough();
  joinIdentification(stream, 'box');
  const chunks: string[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString('latin1')));
  const over = new Promise((resolve) => stream.once('end', resolve));
  for (const segment of segments) {
    await new Promise((resolve) => stream.write(Buffer.from(segment, 'latin1'), resolve));
  }
  stream.end();
  await over;
  return chunks;
}

test('byte by byte, lines before it included', async () => {
  const lines = 'welcome\r\nnot SSH- yet\r\nSSH-2.0-x\r\n';
  expect(await through([...lines, 'a', 'b'])).toEqual([lines, 'a', 'b']);
});

test('in one piece with what follows it', async () => {
  expect(await through(['SSH-2.0-x\r\nabc', 'd'])).toEqual(['SSH-2.0-x\r\nabc', 'd']);
});

test.each([
  ['HTTP/1.1 400 Bad Request\r\n', 'a web server'],
  ['220 box ESMTP Postfix\r\n', 'a mail server'],
  ['220 (vsFTPd 3.0.5)\r\n', 'FTP'],
  ['\x15\x03\x03\x00\x02\x02\x46', 'TLS'],
  ['J\x00\x00\x00\x0a8.0.36\x00', 'begins with'],
])(
  'a peer that begins with %j is known at once, and none of it is passed on',
  async (text, name) => {
    const stream = new PassThrough();
    const { foreign } = joinIdentification(stream, 'box');
    const passed: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => passed.push(chunk));
    stream.write(Buffer.from(text, 'latin1'));
    const error = await foreign;
    expect(error).toMatchObject({ kind: 'network', code: 'ENOTSSH' });
    expect(error.message).toContain(name);
    expect(error.hint).toContain('`port`');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the peer's bytes are escaped
    expect(error.message).not.toMatch(/[\x00-\x1f]/);
    expect(passed).toEqual([]);
  },
);

test('text is waited for until it ends, or is too long', async () => {
  const short = new PassThrough();
  const found = joinIdentification(short, 'box').foreign;
  short.resume().end('Not allowed at this time\r\n');
  expect((await found).hint).toContain('later');
  const long = new PassThrough();
  const { foreign } = joinIdentification(long, 'box');
  long.resume();
  for (let i = 0; i < 4; i++) long.write('x'.repeat(20_000));
  expect((await foreign).message).toContain('…');
});
