import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'rolldown';
import { expect, test } from 'vitest';
import { sourceLines } from '../../src/observe/source-lines.js';
import { temporaryFolder } from '../kit/files/temporary.js';

test('a stack names the lines of the sources, and keeps what has no source map', async () => {
  const folder = await temporaryFolder();
  const source = join(folder, 'source.ts');
  writeFileSync(
    source,
    `interface Gone {\n  readonly away: string;\n}\n\nexport function fails(_: Gone): string {\n  return new Error('here').stack ?? '';\n}\n`,
  );
  const file = join(folder, 'bundled.js');
  await build({
    input: source,
    logLevel: 'silent',
    output: { file, format: 'cjs', sourcemap: true },
  });
  // in a process of its own, since vitest reads source maps itself
  const print = `process.stdout.write(require(${JSON.stringify(file)}).fails({}))`;
  const stack = execFileSync(process.execPath, ['-e', print], { encoding: 'utf8' });
  expect(stack).toContain('bundled.js:');
  expect(stack).not.toContain('source.ts');
  const [message, first] = sourceLines(stack).split('\n');
  expect(message).toBe('Error: here');
  expect(first).toContain(`${source}:6:`);
  expect(sourceLines('Error: none\n    at run (/no/such/file.js:1:2)')).toContain('file.js:1:2');
});
