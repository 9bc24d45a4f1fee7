/** Start-up is fast because every command loads little. */
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

/** The files and packages that importing a file loads; dynamic and type-only imports load nothing. */
function loadedBy(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const text = readFileSync(file, 'utf8');
  const statement = /^(?:import|export)\s+(?!type\b)(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;
  for (const [, target = ''] of text.matchAll(statement)) {
    if (!target.startsWith('.')) found.add(target);
    else loadedBy(resolve(dirname(file), target.replace(/\.js$/, '.ts')), found);
  }
  return found;
}

test('before a verb is known, only the command line itself is loaded', () => {
  const source = join(process.cwd(), 'src');
  // main.ts is only this; boot.ts loads command.ts by way of the code cache
  const first = loadedBy(join(source, 'cli/boot.ts'));
  const loaded = [...loadedBy(join(source, 'cli/command.ts'), first)]
    .map((name) => (name.startsWith('/') ? relative(source, name) : name))
    .filter((name) => !name.startsWith('node:'));
  expect(loaded.sort()).toEqual([
    'cli/boot.ts',
    'cli/code-cache.ts',
    'cli/command.ts',
    'cli/daemon-verbs.ts',
    'cli/flags.ts',
    'cli/hangups.ts',
    'cli/load-bundle.ts',
    'cli/optimise-later.ts',
    'cli/other-tools.ts',
    'cli/program.ts',
    'cli/server-verbs.ts',
    'cli/show/block.ts',
    'cli/show/output.ts',
    'cli/show/style.ts',
    'cli/typed-command.ts',
    'cli/working-folder.ts',
    'commander',
    'core/errors.ts',
    'core/learnt-secrets.ts',
    'core/present.ts',
    'core/text.ts',
    'observe/redact.ts',
    'ssh/ssh-config/home-folder.ts',
    'state/own-files.ts',
  ]);
});
