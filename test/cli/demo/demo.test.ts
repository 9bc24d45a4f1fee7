/** The demo, as a newcomer sees it. */
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { ferryline } from '../../kit/daemons/cli.js';
import { temporaryFolder } from '../../kit/files/temporary.js';

const leftovers = () => readdirSync(tmpdir()).filter((name) => name.startsWith('ferryline-demo-'));

test.each([
  ["this machine's sshd", (path: string) => path],
  ["ferryline's own test server", () => ''],
])(
  'keeps its promises with %s, and leaves nothing behind',
  async (server, pathOf) => {
    const cwd = await temporaryFolder();
    const bin = join(cwd, 'bin');
    mkdirSync(bin);
    symlinkSync(process.execPath, join(bin, 'node'));
    const before = leftovers();
    const PATH = `${bin}:${pathOf(process.env.PATH ?? dirname(process.execPath))}`;
    const { code, stdout, stderr } = await ferryline(['demo'], {
      cwd,
      env: { PATH, TMPDIR: tmpdir() },
    });
    expect(stderr).toContain(`A temporary SFTP server (${server})`);
    expect(stderr).toContain('Everything worked as promised.');
    expect(stderr).toMatch(/^job +outcome +to copy +to delete +conflicts +time$/m);
    expect(stderr.match(/^ok {2}/gm)).toHaveLength(12);
    expect(stderr).toMatch(/first contact: archive:data is not known to be a copy of \.\/data/);
    expect(stderr).toMatch(/nightly: refused: /);
    expect(stderr).toMatch(/^daemon {2}nightly: succeeded \((schedule|catch-up)\)$/m);
    expect(stderr).toMatch(/^ok {2}the file was on the server [\d.]+ m?s after it was written/m);
    expect(stdout).toMatch(/^queue {3}embedded, up$/m);
    expect(stdout).toMatch(/ drop-folder +watch +succeeded +1 /);
    expect(stderr).toMatch(/^daemon {2}stopped$/m);
    expect(code).toBe(0);
    expect(leftovers()).toEqual(before);
  },
  180_000,
);
