/** Every path in the state folder has its name in layout.ts alone, and docs/running.md shows the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as layout from '../../src/state/layout.js';

const project = join(import.meta.dirname, '../..');
const paths = layout.stateEntries.map(({ path }) => path);

test('docs/running.md shows exactly what may be in the folder, and who writes it', () => {
  const page = readFileSync(join(project, 'docs/running.md'), 'utf8');
  const [, section = ''] = page.split('## What is in the state folder\n');
  const rows = [...(section.split('\n## ')[0] ?? '').matchAll(/^\| (.+) \|$/gm)]
    .map(([, row = '']) => row.split('|').map((cell) => cell.trim()))
    .slice(2);
  expect(rows).toEqual(
    layout.stateEntries.map(({ path, holds, writtenBy }) => [`\`${path}\``, holds, writtenBy]),
  );
});

test('every path that layout.ts makes is one of its entries, or a folder of them', () => {
  const { stateEntries: _, ...functions } = layout;
  const server = { host: 'HOST', port: 'PORT' as unknown as number, username: 'USER' };
  const given: Readonly<Record<string, readonly never[]>> = {
    jobReportsFolder: ['JOB'],
    reportFile: ['JOB', 'RUN'],
    idleReportFile: ['JOB', 'RUN'],
    runLogFile: ['RUN'],
    hookListPath: ['JOB', 'RUN'],
    planFile: ['RUN'],
    doubtsFile: ['HASH'],
    storedTimesFile: ['HASH'],
    originsFile: ['HASH'],
    leftoversFile: ['HASH'],
    mirroredFile: ['HASH'],
    lockFolder: ['HASH'],
    serverFactsFile: [server],
    serverQuirksFile: [server],
  } as never;
  const made = Object.entries(functions).map(([name, pathOf]) =>
    (pathOf as (...parts: string[]) => string)('', ...(given[name] ?? [])),
  );
  expect(made).toHaveLength(Object.keys(functions).length);
  const known = (path: string) =>
    paths.some((entry) => entry === path || entry.startsWith(`${path}/`)) || path.endsWith('.new');
  expect(made.filter((path) => !known(path))).toEqual([]);
  // The rest are names that come after another: older logs, files set aside, files being written.
  const unmade = paths.filter(
    (entry) => !made.some((path) => entry === path || entry.startsWith(`${path}/`)),
  );
  expect(unmade).toEqual(['transfers.log.N', 'audit.log.N', 'FILE.damaged-TIME', '.NAME.new']);
});

test('a server’s name can’t lead out of its folder', () => {
  const server = { host: '../../up', port: 22, username: 'a/b' };
  expect(layout.serverFactsFile('/state', server)).toBe('/state/servers/.._.._up_22_a_b.json');
});

test('no other file of src makes a path in the state folder', () => {
  const sources = readdirSync(join(project, 'src'), { recursive: true, encoding: 'utf8' });
  const makers = sources
    .filter((file) => file.endsWith('.ts') && file !== 'state/layout.ts')
    .filter((file) =>
      /\bjoin\(\s*(?:\w+\.)?state\b|\$\{(?:\w+\.)?state\}\//.test(
        readFileSync(join(project, 'src', file), 'utf8'),
      ),
    );
  expect(makers).toEqual([]);
});
