/** Watching folders whose file system reports no events: by looking at them again and again. */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { eventlessFileSystem, eventlessName } from '../../../src/triggers/watch/file-system.js';
import type { FolderEvents } from '../../../src/triggers/watch/folder-watch.js';
import { Poller } from '../../../src/triggers/watch/poller.js';
import { type Watched, watched } from '../../kit/daemons/watching.js';
import { temporaryFolder } from '../../kit/files/temporary.js';

const poll = 50;
const open: Watched[] = [];
async function polling(options: Parameters<typeof watched>[0] = {}): Promise<Watched> {
  const watch = await watched({ poll, ...options });
  open.push(watch);
  await watch.ready;
  return watch;
}
afterEach(async () => {
  for (const watch of open.splice(0)) await watch.close();
});

/** How many folders and files this process has asked the system to watch. */
function systemWatches(): number {
  return readdirSync('/proc/self/fdinfo')
    .map((fd) => {
      try {
        return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').match(/^inotify /gm)?.length ?? 0;
      } catch {
        return 0; // the handle of the listing itself
      }
    })
    .reduce((sum, watches) => sum + watches, 0);
}

describe('a polled folder', () => {
  test('reports new and changed files and new folders, and asks the system for no events', async () => {
    const before = systemWatches();
    const watch = await polling({
      before: (root) => {
        writeFileSync(join(root, 'old'), 'old');
      },
    });
    expect([watch.rescans, watch.states]).toEqual([['start'], ['polling']]);
    watch.write('old', 'changed');
    await watch.untilSettled('');
    watch.write('a/b/c/deep');
    await watch.untilSettled('a/b/c');
    watch.write('a/b/c/deep', 'in place');
    await watch.until(() => watch.folders().filter((folder) => folder === 'a/b/c').length === 2);
    expect(systemWatches()).toBe(before);
    // by events it would be more
    await polling({ poll: undefined });
    expect(systemWatches()).toBeGreaterThan(before);
  });

  test('reports what came in the place of something, and nothing that went', async () => {
    const watch = await polling({
      before: (root) => {
        for (const file of ['gone', 'x', 'moved/in']) writeIn(root, file);
      },
    });
    rmSync(watch.at('gone'));
    rmSync(watch.at('x'));
    watch.write('x/y', 'a folder now');
    await watch.untilSettled('x');
    renameSync(watch.at('moved'), watch.at('x/there'));
    await watch.untilSettled('x/there');
    rmSync(watch.at('x'), { recursive: true });
    watch.write('x', 'a file again');
    await watch.untilSettled('');
    await watch.sentinel();
    expect(watch.folders()).toEqual(['x', 'x/there', '']);
  });

  test('may be replaced as the root, go and come back', async () => {
    const watch = await polling({
      before: (root) => {
        writeIn(root, 'sub/file');
        writeIn(`${root}-other`, 'sub/file');
      },
    });
    renameSync(watch.at(''), `${watch.at('.')}-old`);
    renameSync(`${watch.at('.')}-other`, watch.at('.'));
    await watch.until(() => watch.rescans.includes('root'));
    watch.write('sub/file', 'new');
    await watch.untilSettled('sub');
    rmSync(watch.at('.'), { recursive: true });
    await watch.until(() => watch.states.length === 2);
    expect(watch.states[1]).toContain('does not exist');
    watch.write('back/file');
    await watch.until(() => watch.rescans.length === 3);
    expect(watch.states[2]).toBe('polling');
    expect(watch.rescans).toEqual(['start', 'root', 'root']);
  });
});

describe('on a tmpfs', () => {
  /** Replaces a file at once, with its mtime in seconds. */
  const replace = (folder: string, text: string, mtime: number) => {
    const temporary = join(folder, 'temporary');
    writeFileSync(temporary, text);
    utimesSync(temporary, mtime, mtime);
    renameSync(temporary, join(folder, 'file'));
  };

  test('a change of the same size is seen by its times alone', async () => {
    const folder = await mkdtemp('/dev/shm/ferryline-');
    onTestFinished(() => rm(folder, { recursive: true }));
    replace(folder, 'one', 1000);
    const { seen, on } = pollOne(folder);
    await on;
    const files = () => seen().filter((name) => name === 'file');
    replace(folder, 'two', 2000);
    await expect.poll(files).toEqual(['file']);
    // the time of the change, which no program can set, differs even where mtime does not
    replace(folder, 'six', 2000);
    await expect.poll(files).toEqual(['file', 'file']);
  });

  test('a folder that is gone is reported as itself, one that can’t be listed as an error', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'sub'));
    const { itself, on } = pollOne(join(folder, 'sub'));
    await on;
    await rm(join(folder, 'sub'), { recursive: true });
    await expect.poll(itself).toBeGreaterThan(0);
    writeFileSync(join(folder, 'file'), '');
    const file = pollOne(join(folder, 'a'.repeat(300)));
    await file.on;
    expect(file.errors()).toEqual(['ENAMETOOLONG']);
  });

  function pollOne(folder: string) {
    const seen: (string | undefined)[] = [];
    const errors: (string | undefined)[] = [];
    let itself = 0;
    const events: FolderEvents = {
      entry: (name) => void seen.push(name),
      itself: () => void itself++,
      error: ({ code }) => void errors.push(code),
    };
    const { on, close } = new Poller(poll).watch(folder, events);
    onTestFinished(close);
    return { on, seen: () => seen, errors: () => errors, itself: () => itself };
  }
});

test.each([
  [0x6969, 'nfs'],
  [0xff534d42, 'cifs'],
  [0xff534d42 | 0, 'cifs'],
  [0xfe534d42, 'smb'],
  [0x65735546, 'fuse'],
  [0x01021997, '9p'],
  [0x00c36400, 'ceph'],
  [0xef53, undefined], // ext4
  [0x58465342, undefined], // xfs
  [0x9123683e, undefined], // btrfs
  [0x01021994, undefined], // tmpfs
  [0x794c7630, undefined], // overlay
  [0x2fc12fc1, undefined], // zfs
])('the file system of type %d: %s', (type, name) => expect(eventlessName(type)).toBe(name));

test('local folders have events, and so has one that does not exist, as far as is known', async () => {
  expect(await eventlessFileSystem('/dev/shm')).toBeUndefined();
  expect(await eventlessFileSystem('/no/such/folder')).toBeUndefined();
});

function writeIn(root: string, path: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), path);
}
