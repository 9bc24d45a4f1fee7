/** The npm package, installed as a user installs it: no other package comes with it, and no script runs. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { ferryline } from '../kit/daemons/cli.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { readTree } from '../kit/files/tree.js';

const project = join(import.meta.dirname, '../..');
const main = join(project, 'dist/cli/main.js');
const run = promisify(execFile);

test('npm refuses to publish while addresses are placeholders, all of which docs/releasing.md lists', () => {
  const text = (file: string) => readFileSync(join(project, file), 'utf8');
  const lines = ['package.json', 'packaging/debian/control']
    .flatMap((file) => text(file).split('\n'))
    .filter((line) => line.includes('ferryline.example'));
  if (lines.length === 0) return;
  // npm ends with EPRIVATE before it asks the registry
  expect(JSON.parse(text('package.json')).private).toBe(true);
  const keys = lines.map((line) => /[A-Za-z]+/.exec(line)?.[0]);
  expect(keys).toEqual(['homepage', 'url', 'url', 'Maintainer', 'Homepage']);
  const releasing = text('docs/releasing.md');
  for (const key of ['homepage', 'repository.url', 'bugs.url', 'Homepage', 'Maintainer'])
    expect(releasing).toContain(`\`${key}\``);
});

test('installs without a warning, and pushes without any package beside it', async ({ scene }) => {
  const top = await temporaryFolder();
  const packed = await run('npm', ['pack', '--pack-destination', top], { cwd: project });
  const archive = join(top, packed.stdout.trim());
  const { stderr } = await run(
    'npm',
    ['install', '--global', '--offline', '--prefix', top, '--cache', join(top, 'cache'), archive],
    { cwd: top },
  );
  expect(stderr).toBe('');
  expect(readdirSync(join(top, 'lib/node_modules'))).toEqual(['ferryline']);
  const folder = join(top, 'lib/node_modules/ferryline');
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const linked = await run(join(top, 'bin/ferryline'), ['--version'], { cwd: top });
  expect(linked).toEqual({ stdout: `${version}\n`, stderr: '' });

  scene.writeHere({ 'a.txt': 'a' });
  const program = join(folder, 'dist/cli/main.js');
  const pushed = await scene.cli(['run', 'job', '-vv'], { program });
  expect(pushed.code).toBe(0);
  expect(readTree(scene.there())).toEqual({ 'a.txt': 'a' });
  // without a compiler, npm has built no native code
  const native = join(folder, 'dist/native');
  const by = existsSync(native) ? /, host key \S+, \S+ by native code$/m : / by JavaScript /;
  expect(pushed.stderr).toMatch(by);

  rmSync(native, { recursive: true, force: true });
  const slower = await scene.cli(['run', 'job', '-vv'], { program });
  expect(slower.code).toBe(0);
  expect(slower.stderr).toContain(' by JavaScript (no native code for this Node)\n');
  const { events } = await scene.cli(['doctor', '--json'], { program });
  const ciphers = events.find(({ stage }) => stage === 'ciphers');
  expect(ciphers?.found).toContain(`not there for Node ${process.version}`);
  expect(ciphers?.fix).toContain('Node 20, 22 and 24');
}, 60_000);

test.each(['18.19.1', '20.18.3', '12.22.12'])('Node %s is refused in a line: 2', async (old) => {
  const cwd = await temporaryFolder();
  const claim = join(cwd, 'claim.cjs');
  writeFileSync(claim, `Object.defineProperty(process.versions, 'node', { value: '${old}' });`);
  const NODE_OPTIONS = `--require ${claim}`;
  const { code, stdout, stderr } = await ferryline(['run'], { cwd, env: { NODE_OPTIONS } });
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^error: ferryline needs Node 20\.19 or newer, and \S+ is [^\n]+\n$/);
  expect(stderr).toContain(` is ${old}: `);
});

test('what refuses an old Node is written so that it can read it', () => {
  const text = readFileSync(main, 'utf8');
  // ES2015, which Node 6 reads
  expect(text).not.toMatch(/\?\.|\?\?|async|\.\.\.|#\w+\(|\bimport\b|catch \{|node:/);
});
