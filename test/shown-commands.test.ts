/** The commands that README.md and the pages of docs/ show beside the guides: each one works. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from './kit/base.js';
import { openDesk } from './kit/guide.js';
import { startSshd } from './kit/servers/sshd.js';

const project = join(import.meta.dirname, '..');

/** guides.test.ts carries out the guides, and the page of all flags is made from the program. */
const elsewhere = (file: string) =>
  file.endsWith('.md') && !/^docs\/(?:guides\/|first-job\.md|command-flags\.md)/.test(file);
const pages = [
  'README.md',
  ...readdirSync(join(project, 'docs'), { recursive: true, encoding: 'utf8' })
    .map((name) => `docs/${name}`)
    .sort(),
].filter(elsewhere);

/** What is not typed here, and why. */
const notTyped: readonly (readonly [RegExp, string])[] = [
  [/^(?:sudo|docker|kubectl|ssh) /, 'needs another account, machine or a container'],
  [/^ferryline start --roles /, 'test/daemon/roles.test.ts starts each role'],
];

/** What a reader puts in place of what a page leaves open. */
const filledIn: readonly (readonly [RegExp, string])[] = [
  [/user@host:/, 'backup.example:'],
  [/\bRUN\b/, 'latest'],
  [/--run \d{8}\b/, `--run ${new Date().toISOString().slice(0, 10).replaceAll('-', '')}`],
];

/** The lines with `ferryline` of a page's blocks of commands, without prompts and comments. */
function commandsOf(file: string): string[] {
  const text = readFileSync(join(project, file), 'utf8');
  return [...text.matchAll(/^( *)```(sh|console)\n([\s\S]*?)^ *```$/gm)]
    .flatMap(([, , language, block = '']) => {
      const lines = block.replaceAll(/\\\n\s*/g, ' ').split('\n');
      const isTyped = (line: string) => language === 'sh' || /^\s*\$ /.test(line);
      return lines.filter(isTyped).map((line) => line.replace(/^\s*\$ /, '').trim());
    })
    .map((line) => line.replace(/\s+# .*$/, ''))
    .filter((line) => /(?:^|\s)ferryline [a-z]/.test(line));
}

const config = `
remotes:
  archive: { host: backup.example, root: archive }
  web: { host: backup.example, root: web }
jobs:
  nightly: { operation: mirror, from: ./data, to: "archive:data", trash: true, delete: 100% }
  web-1: { operation: push, from: ./data, to: "web:one" }
  web-2: { operation: push, from: ./data, to: "web:two" }
  publish-site: { operation: push, from: ./data, to: "web:site" }
`;

test('each command that a page shows works', async ({ redis }) => {
  const sshd = await startSshd();
  const reader = await openDesk(sshd, redis.database());
  const { home } = reader;
  const typed: string[] = [];
  const type = async (command: string) => {
    const shown = filledIn.reduce((text, [open, value]) => text.replace(open, value), command);
    await reader.type({ command: shown, code: 0, shown: [] });
    typed.push(command);
  };
  /** What a page takes for granted before its first command. */
  const before: Readonly<Record<string, () => Promise<void>>> = {
    async 'docs/coming-from.md'() {
      const lines = ['[nas]', 'type = sftp', 'host = 127.0.0.1', `port = ${sshd.port}`];
      mkdirSync(join(home, '.config/rclone'), { recursive: true });
      writeFileSync(
        join(home, '.config/rclone/rclone.conf'),
        [...lines, `user = ${sshd.username}`, `key_file = ${home}/.ssh/id_ed25519`, ''].join('\n'),
      );
      rmSync(join(home, 'jobs.yml'));
    },
    async 'docs/commands.md'() {
      writeFileSync(join(home, 'report.csv'), 'day,sum\n');
    },
    async 'docs/files-and-deletions.md'() {
      for (const path of ['data/photos', 'data/reports', 'data/all.csv'])
        rmSync(join(home, path), { recursive: true });
      await reader.type({ command: 'ferryline run nightly', code: 0, shown: [] });
    },
  };
  try {
    reader.write('.ssh/known_hosts', readFileSync(sshd.knownHostsFile, 'utf8'));
    mkdirSync(join(home, 'data/reports'));
    for (const file of ['data/reports/2026.csv', 'data/all.csv'])
      writeFileSync(join(home, file), 'year\n');
    for (const page of pages) {
      const commands = commandsOf(page).filter(
        (command) => !notTyped.some(([such]) => such.test(command)),
      );
      if (commands.length === 0) continue;
      reader.write('jobs.yml', config);
      await before[page]?.();
      for (const command of commands)
        await type(command).catch((error: Error) => {
          throw new Error(`${page}: ${error.message}`);
        });
    }
    expect(typed.length).toBeGreaterThan(20);
    const all = pages.flatMap(commandsOf);
    for (const [such] of notTyped) expect(all.some((command) => such.test(command))).toBe(true);
  } finally {
    await reader.leave();
    await sshd.stop();
  }
}, 120_000);
