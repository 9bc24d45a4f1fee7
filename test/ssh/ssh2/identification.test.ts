/** The server's first line reaches ssh2 whole, however it comes. */
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { joinIdentification } from '../../../src/ssh/ssh2/identification.js';

/** Sends these segments; resolves to the chunks that came out. */
async function through(segments: readonly string[]): Promise<string[]> {
  const stream = new PassThrough();
  joinIdentification(stream);
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

test('what a peer sent before it ended without the line is passed on', async () => {
  expect(await through(['HTTP/1.1 ', '400\r\n'])).toEqual(['HTTP/1.1 400\r\n']);
});

test('without the line, data is held back up to a limit only', async () => {
  const chunks = await through(Array.from({ length: 5 }, () => 'x'.repeat(20_000)));
  expect(chunks.map((chunk) => chunk.length)).toEqual([80_000, 20_000]);
});
