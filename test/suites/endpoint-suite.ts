/**
 * The contract of src/endpoints/endpoint.ts as tests, one suite for every kind of side. What a side can't
 * do is data (`Lack`), and the suite then checks what happens instead; nothing is skipped.
 * Files and handles are in endpoint-suite-files.ts.
 */
import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Entry } from '../../src/core/entry.js';
import { FerryError } from '../../src/core/errors.js';
import type { OpenMode } from '../../src/endpoints/endpoint.js';
import { escapes, odd, tooLong } from '../kit/files/hostile-names.js';
import { writeTree } from '../kit/files/tree.js';
import type { MemoryEndpoint } from '../kit/servers/memory.js';
import { fileTests } from './endpoint-suite-files.js';
import type { Lack, Opened, Outside, Suite } from './endpoint-under-test.js';

/** Holds one kind of endpoint to the contract. `open` is called once. */
export function endpointSuite(
  name: string,
  open: () => Promise<Opened>,
  lacking: readonly Lack[] = [],
): void {
  describe(name, () => {
    let opened: Opened;
    let number = 0;
    const lacks = new Set(lacking);
    const suite: Suite = {
      endpoint: () => opened.endpoint,
      outside: () => opened.outside,
      lacks,
      signal: new AbortController().signal,
      at: (path) => `t${number}/${path}`,
      async failsWith(promise, ...codes) {
        const error = await promise.then(
          () => expect.fail('it should have failed'),
          (thrown: unknown) => thrown,
        );
        expect(error).toBeInstanceOf(FerryError);
        const { code, path } = error as FerryError;
        expect(codes).toContain(code);
        expect(path).toBeDefined();
      },
    };

    beforeAll(async () => {
      opened = await open();
    });
    afterAll(async () => {
      await opened?.close();
    });
    beforeEach(async () => {
      number++;
      await opened.endpoint.mkdir(`t${number}`, 0o755, suite.signal);
    });

    listingTests(suite);
    statTests(suite);
    folderTests(suite);
    renameTests(suite);
    hardLinkTests(suite);
    removeTests(suite);
    linkTests(suite);
    confinementTests(suite);
    fileTests(suite);

    test('closing twice is harmless', async () => {
      await opened.endpoint.close();
      await opened.endpoint.close();
    });
  });
}

function byName(entries: readonly Entry[]): Record<string, Entry> {
  return Object.fromEntries(entries.map((entry) => [entry.name, entry]));
}

function listingTests({ endpoint, outside, lacks, signal, at, failsWith }: Suite): void {
  test('an empty folder lists nothing', async () => {
    outside().put(at('empty'), null);
    expect(await endpoint().list(at('empty'), signal)).toEqual([]);
  });

  test('a listing has name, kind, size and mtime, hidden names too', async () => {
    outside().put(at('file'), 'twelve bytes');
    outside().put(at('.hidden'), '');
    outside().put(at('folder/below'), 'x');
    outside().put(at('link'), { link: 'file' });
    const entries = byName(await endpoint().list(at('').slice(0, -1), signal));
    expect(Object.keys(entries).sort()).toEqual(
      ['file', '.hidden', 'folder', ...(lacks.has('links') ? [] : ['link'])].sort(),
    );
    expect(entries.file).toMatchObject({ kind: 'file', size: 12 });
    expect(entries.file?.mtime).toBeGreaterThan(1_600_000_000);
    expect(entries['.hidden']).toMatchObject({ kind: 'file', size: 0 });
    expect(entries.folder?.kind).toBe('folder');
    if (!lacks.has('links')) expect(entries.link?.kind).toBe('link');
  });

  test('a listing of 2,000 entries is complete', async () => {
    const names = Array.from({ length: 2000 }, (_, i) => `file ${i}`);
    for (const name of names) outside().put(at(`many/${name}`), '');
    const entries = await endpoint().list(at('many'), signal);
    expect(entries.map((entry) => entry.name).sort()).toEqual(names.sort());
  });

  test('the root lists under its empty path', async () => {
    expect((await endpoint().list('', signal)).map((entry) => entry.name)).toContain(
      at('').slice(0, -1),
    );
  });

  test('a listing that fails is never an empty one', async () => {
    await failsWith(endpoint().list(at('missing'), signal), 'ENOENT');
    outside().put(at('file'), 'x');
    await failsWith(endpoint().list(at('file'), signal), 'ENOTDIR', 'ENOENT');
  });

  test('odd names are kept byte for byte', async () => {
    const names = odd.filter((name) => typeof name === 'string');
    for (const name of names) outside().put(at(`odd/${name}`), 'x');
    const listed = await endpoint().list(at('odd'), signal);
    const problems = listed.filter((entry) => entry.problem !== undefined);
    expect(problems).toEqual([]);
    if (lacks.has('odd-names')) {
      expect(listed.length).toBe(names.length);
      return;
    }
    expect(listed.map((entry) => entry.name).sort()).toEqual([...names].sort());
    for (const name of names) {
      const path = at(`odd/${name}`);
      expect((await endpoint().stat(path, signal))?.size, name).toBe(1);
      await endpoint().rename(path, at('elsewhere'), false, signal);
      expect(outside().kind(path), name).toBe('nothing');
      await endpoint().rename(at('elsewhere'), path, false, signal);
      expect(outside().kind(path), name).toBe('file');
    }
  });
}

function statTests({ endpoint, outside, lacks, signal, at }: Suite): void {
  test('stat returns kind, size and mode, and undefined if nothing exists', async () => {
    outside().put(at('file'), 'abc');
    expect(await endpoint().stat(at('file'), signal)).toMatchObject({ kind: 'file', size: 3 });
    expect((await endpoint().stat(at('').slice(0, -1), signal))?.kind).toBe('folder');
    expect((await endpoint().stat('', signal))?.kind).toBe('folder');
    expect(await endpoint().stat(at('missing'), signal)).toBeUndefined();
    expect(await endpoint().stat(at('missing/below'), signal)).toBeUndefined();
  });

  test('stat by path and setStat by path agree', async () => {
    outside().put(at('file'), 'abc');
    const set = endpoint().setStat(at('file'), { mtime: 1_600_000_001, mode: 0o640 }, signal);
    if (endpoint().can.setStat === 'none') return expect(set).rejects.toThrow();
    await set;
    const stat = await endpoint().stat(at('file'), signal);
    expect(Math.floor(stat?.mtime ?? 0)).toBe(1_600_000_001);
    if (!lacks.has('modes')) expect((stat?.mode ?? 0) & 0o7777).toBe(0o640);
  });

  test('set-id bits are never set', async () => {
    outside().put(at('file'), 'abc');
    await endpoint()
      .setStat(at('file'), { mode: 0o6755 }, signal)
      .catch(() => {});
    expect(((await endpoint().stat(at('file'), signal))?.mode ?? 0) & 0o6000).toBe(0);
  });

  test('a call whose signal has fired rejects and does nothing', async () => {
    outside().put(at('file'), 'abc');
    outside().put(at('folder'), null);
    const aborted = AbortSignal.abort();
    for (const call of [
      endpoint().list(at('folder'), aborted),
      endpoint().stat(at('file'), aborted),
      endpoint().open(at('new'), 'create', 0o644, aborted),
      endpoint().mkdir(at('made'), 0o755, aborted),
      endpoint().rename(at('file'), at('moved'), true, aborted),
      endpoint().link(at('file'), at('linked'), aborted),
      endpoint().setStat(at('file'), { mtime: 1 }, aborted),
      endpoint().remove(at('file'), aborted),
      endpoint().rmdir(at('folder'), aborted),
      endpoint().symlink('file', at('link'), aborted),
    ]) {
      await expect(call).rejects.toThrow();
    }
    for (const path of ['new', 'made', 'moved', 'linked', 'link'])
      expect(outside().kind(at(path)), path).toBe('nothing');
    expect(outside().kind(at('file'))).toBe('file');
    expect(outside().kind(at('folder'))).toBe('folder');
  });
}

function folderTests({ endpoint, outside, lacks, signal, at, failsWith }: Suite): void {
  test('mkdir makes one folder', async () => {
    await endpoint().mkdir(at('a'), 0o755, signal);
    await endpoint().mkdir(at('a/b'), 0o755, signal);
    expect(outside().kind(at('a/b'))).toBe('folder');
  });

  test('mkdir fails if something exists, and without a parent', async () => {
    outside().put(at('folder'), null);
    outside().put(at('file'), 'x');
    const again = endpoint().mkdir(at('folder'), 0o755, signal);
    if (lacks.has('mkdir-refuses')) await again;
    else await failsWith(again, 'EEXIST');
    await failsWith(endpoint().mkdir(at('file'), 0o755, signal), 'EEXIST');
    expect(outside().read(at('file'))?.toString()).toBe('x');
    await failsWith(endpoint().mkdir(at('no/where'), 0o755, signal), 'ENOENT');
  });

  test('rmdir removes an empty folder and nothing else', async () => {
    outside().put(at('empty'), null);
    outside().put(at('full/file'), 'x');
    await endpoint().rmdir(at('empty'), signal);
    expect(outside().kind(at('empty'))).toBe('nothing');
    const notEmpty = ['ENOTEMPTY', 'EEXIST', 'EFAILURE'];
    await failsWith(endpoint().rmdir(at('full'), signal), ...notEmpty);
    expect(outside().read(at('full/file'))?.toString()).toBe('x');
    await failsWith(endpoint().rmdir(at('missing'), signal), 'ENOENT');
    const wrong = endpoint().rmdir(at('full/file'), signal);
    if (lacks.has('remove-looks')) return expect(wrong).resolves.toBeUndefined();
    await failsWith(wrong, 'ENOTDIR', 'ENOENT', 'EFAILURE');
    expect(outside().kind(at('full/file'))).toBe('file');
  });
}

function renameTests({ endpoint, outside, lacks, signal, at, failsWith }: Suite): void {
  test('rename moves a file, a folder with what is in it', async () => {
    outside().put(at('a/b'), 'text');
    await endpoint().rename(at('a/b'), at('a/c'), false, signal);
    await endpoint().rename(at('a'), at('d'), false, signal);
    expect(outside().read(at('d/c'))?.toString()).toBe('text');
    expect(outside().kind(at('a'))).toBe('nothing');
  });

  test('rename with replace: one step, or an error that leaves both', async () => {
    outside().put(at('new'), 'new bytes');
    outside().put(at('old'), 'old');
    const rename = endpoint().rename(at('new'), at('old'), true, signal);
    if (endpoint().can.atomicReplace || lacks.has('rename-refuses')) {
      await rename;
      expect(outside().read(at('old'))?.toString()).toBe('new bytes');
      expect(outside().kind(at('new'))).toBe('nothing');
    } else {
      await expect(rename).rejects.toBeInstanceOf(FerryError);
      expect(outside().read(at('old'))?.toString()).toBe('old');
      expect(outside().read(at('new'))?.toString()).toBe('new bytes');
    }
  });

  test('rename without replace leaves what exists', async () => {
    outside().put(at('new'), 'new bytes');
    outside().put(at('old'), 'old');
    const rename = endpoint().rename(at('new'), at('old'), false, signal);
    if (lacks.has('rename-refuses')) {
      await rename.catch(() => {});
      expect(['old', 'new bytes']).toContain(outside().read(at('old'))?.toString());
      return;
    }
    await failsWith(rename, 'EEXIST');
    expect(outside().read(at('old'))?.toString()).toBe('old');
    expect(outside().read(at('new'))?.toString()).toBe('new bytes');
  });

  test('rename fails without a source or a folder for the target', async () => {
    await failsWith(endpoint().rename(at('missing'), at('x'), true, signal), 'ENOENT');
    outside().put(at('file'), 'x');
    await failsWith(endpoint().rename(at('file'), at('no/where'), true, signal), 'ENOENT');
    expect(outside().kind(at('file'))).toBe('file');
  });
}

function hardLinkTests({ endpoint, outside, lacks, signal, at, failsWith }: Suite): void {
  const makesThem = () => endpoint().can.hardLinks && !lacks.has('hard-links');

  test('a hard link is a second name that keeps the old bytes when the first is replaced', async () => {
    outside().put(at('first'), 'old');
    outside().put(at('new'), 'new bytes');
    outside().put(at('folder'), null);
    const link = endpoint().link(at('first'), at('folder/second'), signal);
    if (!makesThem()) {
      await failsWith(link, 'ENOTSUP');
      expect(outside().kind(at('folder/second'))).toBe('nothing');
      return expect(outside().read(at('first'))?.toString()).toBe('old');
    }
    const stat = await link;
    const first = await endpoint().stat(at('first'), signal);
    expect(stat).toEqual(await endpoint().stat(at('folder/second'), signal));
    expect([stat.kind, stat.size, stat.mtime]).toEqual(['file', first?.size, first?.mtime]);
    if (endpoint().can.atomicReplace) await endpoint().rename(at('new'), at('first'), true, signal);
    else await endpoint().remove(at('first'), signal);
    expect(outside().read(at('folder/second'))?.toString()).toBe('old');
  });

  test('a hard link takes no name that exists, and needs a file and a folder', async () => {
    outside().put(at('file'), 'x');
    outside().put(at('taken'), 'old');
    const taken = endpoint().link(at('file'), at('taken'), signal);
    if (lacks.has('hard-links')) await taken;
    else await failsWith(taken, makesThem() ? 'EEXIST' : 'ENOTSUP');
    expect(outside().read(at('taken'))?.toString()).toBe('old');
    for (const [from, to] of [
      ['missing', 'new'],
      ['file', 'no/where'],
    ] as const)
      await failsWith(endpoint().link(at(from), at(to), signal), 'ENOENT', 'ENOTSUP');
    expect(outside().kind(at('new'))).toBe('nothing');
  });
}

function removeTests({ endpoint, outside, lacks, signal, at, failsWith }: Suite): void {
  test('remove removes a file', async () => {
    outside().put(at('file'), 'x');
    await endpoint().remove(at('file'), signal);
    expect(outside().kind(at('file'))).toBe('nothing');
    await failsWith(endpoint().remove(at('file'), signal), 'ENOENT');
  });

  test('remove removes no folder', async () => {
    outside().put(at('folder'), null);
    const remove = endpoint().remove(at('folder'), signal);
    if (lacks.has('remove-looks')) return expect(remove).resolves.toBeUndefined();
    await failsWith(remove, 'EISDIR', 'EPERM', 'EACCES', 'EFAILURE');
    expect(outside().kind(at('folder'))).toBe('folder');
  });

  test('remove removes a link, not its target', async () => {
    outside().put(at('file'), 'x');
    outside().put(at('link'), { link: 'file' });
    if (lacks.has('links'))
      return failsWith(endpoint().remove(at('link'), signal), 'ENOENT', 'ENOTSUP');
    await endpoint().remove(at('link'), signal);
    expect(outside().kind(at('link'))).toBe('nothing');
    expect(outside().kind(at('file'))).toBe('file');
  });
}

function linkTests({ endpoint, outside, lacks, signal, at, failsWith }: Suite): void {
  test('links are made and read as text, and nothing follows one', async () => {
    if (lacks.has('links')) {
      await expect(endpoint().symlink('target', at('link'), signal)).rejects.toThrow();
      return;
    }
    outside().put(at('target'), 'behind the link');
    await endpoint().symlink('target', at('link'), signal);
    await endpoint().symlink('nowhere', at('dangling'), signal);
    expect(outside().linkTarget(at('link'))).toBe('target');
    const text = await endpoint().readlink(at('link'), signal);
    if (lacks.has('link-text')) expect(text).toMatch(/^\/.*\/target$/);
    else expect(text).toBe('target');
    const dangling = await endpoint().readlink(at('dangling'), signal);
    if (lacks.has('link-text')) expect(dangling).toMatch(/^\/.*\/nowhere$/);
    else expect(dangling).toBe('nowhere');
    const shown = byName(await endpoint().list(at('').slice(0, -1), signal));
    expect(shown.link?.kind).toBe('link');
    const kind = (await endpoint().stat(at('link'), signal))?.kind;
    expect(kind).toBe(lacks.has('lstat') ? 'file' : 'link');
    expect((await endpoint().stat(at('dangling'), signal))?.kind).toBe('link');
    await failsWith(endpoint().symlink('x', at('target'), signal), 'EEXIST');
    await failsWith(endpoint().readlink(at('missing'), signal), 'ENOENT');
  });

  test('nothing is opened for writing through a link, nor, where a side can refuse it, for reading', async () => {
    // A server without links lets a writer replace the link; its target stays.
    if (lacks.has('links')) return staysBehindALink();
    outside().put(at('target'), 'behind the link');
    outside().put(at('link'), { link: 'target' });
    const modes: OpenMode[] = ['create'];
    if (!lacks.has('read-refuses-links')) modes.push('read');
    // If LSTAT follows links, nothing shows that there is one.
    if (!lacks.has('lstat')) modes.push('update');
    for (const mode of modes) {
      const error = await endpoint()
        .open(at('link'), mode, 0o644, signal)
        .then(
          async (handle) => {
            await handle.close();
            return undefined;
          },
          (thrown: unknown) => thrown,
        );
      expect(error, mode).toBeInstanceOf(FerryError);
    }
    expect(outside().read(at('target'))?.toString()).toBe('behind the link');
  });

  async function staysBehindALink() {
    outside().put(at('target'), 'behind the link');
    outside().put(at('link'), { link: 'target' });
    const written = await endpoint()
      .open(at('link'), 'read', 0o644, signal)
      .catch(() => undefined);
    await written?.close();
    expect(outside().read(at('target'))?.toString()).toBe('behind the link');
  }
}

function confinementTests({ endpoint, outside, signal, at }: Suite): void {
  test('a path that could leave the root is refused, whatever the call', async () => {
    outside().put(at('file'), 'x');
    const paths = escapes.filter((path) => /^\/|\/$|\/\/|\0|(^|\/)\.{1,2}(\/|$)/.test(path));
    expect(paths.length).toBeGreaterThan(50);
    for (const path of [...paths, '.', '..']) {
      for (const call of [
        endpoint().list(path, signal),
        endpoint().stat(path, signal),
        endpoint().open(path, 'read', 0, signal),
        endpoint().open(path, 'create', 0o644, signal),
        endpoint().open(path, 'update', 0o644, signal),
        endpoint().mkdir(path, 0o755, signal),
        endpoint().rename(at('file'), path, true, signal),
        endpoint().rename(path, at('new'), true, signal),
        endpoint().link(at('file'), path, signal),
        endpoint().link(path, at('new'), signal),
        endpoint().setStat(path, { mtime: 1 }, signal),
        endpoint().remove(path, signal),
        endpoint().rmdir(path, signal),
        endpoint().readlink(path, signal),
        endpoint().symlink('x', path, signal),
      ]) {
        await expect(call, JSON.stringify(path)).rejects.toMatchObject({ kind: 'hostile-peer' });
      }
    }
    expect(outside().kind(at('file'))).toBe('file');
  });

  test('a name that is too long is an error, not a shorter name', async () => {
    for (const name of tooLong.slice(0, 2))
      await expect(endpoint().mkdir(at(name), 0o755, signal)).rejects.toBeInstanceOf(FerryError);
    expect(await endpoint().list(at('').slice(0, -1), signal)).toEqual([]);
  });
}

/** The outside of an endpoint whose root is this folder. */
export function outsideOf(folder: string): Outside {
  const stat = (path: string) => lstatSync(join(folder, path), { throwIfNoEntry: false });
  return {
    put(path, content) {
      const slash = content === null ? '/' : '';
      writeTree(folder, { [`${path}${slash}`]: content });
    },
    read: (path) => (stat(path)?.isFile() ? readFileSync(join(folder, path)) : undefined),
    kind(path) {
      const there = stat(path);
      if (there === undefined) return 'nothing';
      return there.isSymbolicLink() ? 'link' : there.isDirectory() ? 'folder' : 'file';
    },
    linkTarget: (path) => readlinkSync(join(folder, path)),
  };
}

/** The outside of a memory endpoint. */
export function outsideOfMemory(endpoint: MemoryEndpoint): Outside {
  return {
    put: (path, content) => endpoint.put(path, content),
    read: (path) => endpoint.bytes(path),
    kind(path) {
      const tree = endpoint.tree();
      const there = tree[path];
      if (there === undefined)
        return Object.keys(tree).some((other) => other.startsWith(`${path}/`))
          ? 'folder'
          : 'nothing';
      return typeof there === 'string' ? 'file' : 'link';
    },
    linkTarget(path) {
      const there = endpoint.tree()[path];
      return there !== null && typeof there === 'object' && 'link' in there ? there.link : '';
    },
  };
}
