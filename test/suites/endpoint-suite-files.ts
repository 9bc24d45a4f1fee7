/** The part of the endpoint suite about open files: modes, offsets, ends, attributes, closing. */
import { expect, test } from 'vitest';
import { FerryError } from '../../src/core/errors.js';
import type { Handle, OpenMode } from '../../src/endpoints/endpoint.js';
import { randomBytes } from '../kit/files/tree.js';
import type { Suite } from './endpoint-under-test.js';

export function fileTests({ endpoint, outside, lacks, signal, at, failsWith }: Suite): void {
  /** Opens a file, calls `work`, and closes it whatever happens. */
  const using = async <T>(
    path: string,
    mode: OpenMode,
    work: (handle: Handle) => Promise<T>,
  ): Promise<T> => {
    const handle = await endpoint().open(path, mode, 0o644, signal);
    try {
      return await work(handle);
    } finally {
      await handle.close();
    }
  };
  const readAll = async (path: string, size: number) => {
    const buffer = Buffer.alloc(size);
    const n = await using(path, 'read', (handle) => handle.read(buffer, 0, signal));
    return buffer.subarray(0, n);
  };

  test('create makes a file, of no bytes too', async () => {
    await using(at('empty'), 'create', async () => {});
    expect(outside().read(at('empty'))?.length).toBe(0);
    await using(at('file'), 'create', (handle) => handle.write(Buffer.from('text'), 0, signal));
    expect(outside().read(at('file'))?.toString()).toBe('text');
  });

  test('create fails if something exists', async () => {
    outside().put(at('file'), 'old');
    outside().put(at('folder'), null);
    if (!lacks.has('exclusive-create')) {
      await failsWith(endpoint().open(at('file'), 'create', 0o644, signal), 'EEXIST');
      expect(outside().read(at('file'))?.toString()).toBe('old');
    }
    await failsWith(
      endpoint().open(at('folder'), 'create', 0o644, signal),
      ...['EEXIST', 'EISDIR', 'EACCES', 'EFAILURE'],
    );
    await failsWith(endpoint().open(at('no/where'), 'create', 0o644, signal), 'ENOENT');
  });

  test('create takes its permissions at once', async () => {
    const handle = await endpoint().open(at('private'), 'create', 0o600, signal);
    await handle.close();
    const mode = (await endpoint().stat(at('private'), signal))?.mode ?? 0;
    if (!lacks.has('modes')) expect(mode & 0o777).toBe(0o600);
  });

  test('read and update fail if there is no file', async () => {
    await failsWith(endpoint().open(at('missing'), 'read', 0, signal), 'ENOENT');
    const update = endpoint().open(at('missing'), 'update', 0, signal);
    if (lacks.has('update-needs-file')) {
      await (await update).close();
    } else {
      await failsWith(update, 'ENOENT');
      expect(outside().kind(at('missing'))).toBe('nothing');
    }
    outside().put(at('folder'), null);
    await failsWith(
      endpoint().open(at('folder'), 'update', 0, signal),
      ...['EISDIR', 'ELOOP', 'EFAILURE'],
    );
  });

  test('update changes bytes in place and keeps the rest', async () => {
    outside().put(at('file'), '0123456789');
    const change = using(at('file'), 'update', (handle) =>
      handle.write(Buffer.from('abc'), 4, signal),
    );
    if (lacks.has('update')) {
      await change.catch(() => {});
      return expect(outside().read(at('file'))?.toString()).not.toBe('0123abc789');
    }
    await change;
    expect(outside().read(at('file'))?.toString()).toBe('0123abc789');
  });

  test('reads return what is there, fewer bytes only at the end, none past it', async () => {
    outside().put(at('file'), '0123456789');
    await using(at('file'), 'read', async (handle) => {
      const buffer = Buffer.alloc(6);
      expect(await handle.read(buffer, 2, signal)).toBe(6);
      expect(buffer.toString()).toBe('234567');
      expect(await handle.read(buffer, 7, signal)).toBe(3);
      expect(buffer.toString('utf8', 0, 3)).toBe('789');
      expect(await handle.read(buffer, 10, signal)).toBe(0);
      expect(await handle.read(buffer, 1000, signal)).toBe(0);
    });
    outside().put(at('empty'), '');
    expect((await readAll(at('empty'), 10)).length).toBe(0);
  });

  test('many reads at once, in any order', async () => {
    const bytes = randomBytes(1_000_003, 7);
    outside().put(at('file'), bytes);
    const chunk = 65_536;
    const offsets = Array.from({ length: Math.ceil(bytes.length / chunk) }, (_, i) => i * chunk);
    await using(at('file'), 'read', async (handle) => {
      const parts = await Promise.all(
        offsets.toReversed().map(async (offset) => {
          const buffer = Buffer.alloc(chunk);
          return buffer.subarray(0, await handle.read(buffer, offset, signal));
        }),
      );
      expect(Buffer.concat(parts.toReversed()).equals(bytes)).toBe(true);
    });
  });

  test('many writes at once, in any order', async () => {
    const bytes = randomBytes(1_000_003, 8);
    const chunk = 65_536;
    const offsets = Array.from({ length: Math.ceil(bytes.length / chunk) }, (_, i) => i * chunk);
    // In order, for servers that accept writes in order only.
    const order = lacks.has('offset-writes') ? offsets : offsets.toReversed();
    await using(at('file'), 'create', async (handle) => {
      await Promise.all(
        order.map((offset) => handle.write(bytes.subarray(offset, offset + chunk), offset, signal)),
      );
    });
    expect(outside().read(at('file'))?.equals(bytes)).toBe(true);
  });

  test('one read and one write larger than the side takes at once', async () => {
    const size = Math.min(endpoint().can.maxWrite, 300_000) * 2 + 1;
    const bytes = randomBytes(size, 9);
    await using(at('file'), 'create', (handle) => handle.write(bytes, 0, signal));
    expect(outside().read(at('file'))?.equals(bytes)).toBe(true);
    expect((await readAll(at('file'), size)).equals(bytes)).toBe(true);
  });

  test('a gap left by writes reads as zeros', async () => {
    const gap = using(at('file'), 'create', (handle) => handle.write(Buffer.from('x'), 5, signal));
    if (lacks.has('offset-writes')) return expect(gap).rejects.toBeInstanceOf(FerryError);
    await gap;
    expect(outside().read(at('file'))).toEqual(Buffer.from([0, 0, 0, 0, 0, 0x78]));
  });

  test.each([
    ['its only data', true],
    ['data written before', false],
  ])('a file ends with %s, and carries the mode and mtime it is to have', async (_, atOnce) => {
    const { setStat, fsync } = endpoint().can;
    const data = Buffer.from('text');
    const attributes = { mtime: 1_500_000_000, mode: 0o600 };
    await using(at('file'), 'create', async (handle) => {
      if (!atOnce) await handle.write(data, 0, signal);
      const ending = { ...(atOnce ? { data } : {}), attributes, sync: fsync };
      const stat = await handle.finish(ending, signal);
      expect(stat).toMatchObject({ kind: 'file', size: 4 });
      if (setStat !== 'none') expect(Math.floor(stat?.mtime ?? 0)).toBe(attributes.mtime);
    });
    const stat = await endpoint().stat(at('file'), signal);
    expect(outside().read(at('file'))?.toString()).toBe('text');
    if (setStat === 'none') return;
    expect(Math.floor(stat?.mtime ?? 0)).toBe(attributes.mtime);
    if (!lacks.has('modes')) expect((stat?.mode ?? 0) & 0o777).toBe(0o600);
  });

  test('an empty file ends too', async () => {
    await using(at('file'), 'create', async (handle) => {
      const ending = { data: Buffer.alloc(0), attributes: {}, sync: false };
      expect(await handle.finish(ending, signal)).toMatchObject({ kind: 'file', size: 0 });
    });
    expect(outside().read(at('file'))).toEqual(Buffer.alloc(0));
  });

  test.each([0, 1, 1000, 30_000])('a file of %i bytes is read whole', async (size) => {
    const bytes = randomBytes(size, 11);
    outside().put(at('file'), bytes);
    const target = Buffer.alloc(size + 1);
    const { bytes: read, before, after } = await endpoint().readWhole(at('file'), target, signal);
    expect(target.subarray(0, read).equals(bytes)).toBe(true);
    expect(after).toMatchObject({ kind: 'file', size });
    if (before !== undefined) expect(before).toEqual(after);
  });

  test('as much of a longer file is read as the target holds', async () => {
    const bytes = randomBytes(1000, 12);
    outside().put(at('file'), bytes);
    const target = Buffer.alloc(600);
    const { bytes: read, after } = await endpoint().readWhole(at('file'), target, signal);
    expect(read).toBe(600);
    expect(target.equals(bytes.subarray(0, 600))).toBe(true);
    expect(after).toMatchObject({ kind: 'file', size: 1000 });
  });

  test('a missing file is not read whole', async () => {
    const read = endpoint().readWhole(at('file'), Buffer.alloc(10), signal);
    await expect(read).rejects.toMatchObject({ code: 'ENOENT', path: at('file') });
  });

  // 0, a little, and more than one request's 4 MiB
  test.each([0, 1, 100_000, 4 * 1024 * 1024 + 7])(
    'a side copies %i bytes of its own file, or says that it does not',
    async (size) => {
      const bytes = randomBytes(size, 13);
      outside().put(at('file'), bytes);
      await using(at('copy'), 'create', async (handle) => {
        const copy = handle.copyFrom(at('file'), size, signal);
        if (!endpoint().can.copyData) return failsWith(copy, 'ENOTSUP');
        expect(await copy).toMatchObject({ kind: 'file', size });
        const ending = { attributes: { mtime: 1_500_000_000 }, sync: false };
        expect(await handle.finish(ending, signal)).toMatchObject({ kind: 'file', size });
        expect(outside().read(at('copy'))?.equals(bytes)).toBe(true);
      });
    },
  );

  test('a side copies no missing file, and none from outside its root', async () => {
    await using(at('copy'), 'create', async (handle) => {
      await failsWith(handle.copyFrom(at('missing'), 5, signal), 'ENOENT', 'ENOTSUP');
      const outsideRoot = handle.copyFrom('../other', 5, signal);
      await expect(outsideRoot).rejects.toMatchObject({ kind: 'hostile-peer' });
    });
    expect(outside().read(at('copy'))?.length).toBe(0);
  });

  test('a signal that has fired rejects reads and writes', async () => {
    outside().put(at('file'), '0123456789');
    const aborted = AbortSignal.abort();
    await using(at('file'), 'read', (handle) =>
      expect(handle.read(Buffer.alloc(4), 0, aborted)).rejects.toThrow(),
    );
    await using(at('new'), 'create', async (handle) => {
      await expect(handle.write(Buffer.from('x'), 0, aborted)).rejects.toThrow();
      const ending = { data: Buffer.from('x'), attributes: {}, sync: false };
      await expect(handle.finish(ending, aborted)).rejects.toThrow();
    });
    const whole = endpoint().readWhole(at('file'), Buffer.alloc(11), aborted);
    await expect(whole).rejects.toThrow();
  });

  test('a handle writes on to its file after a rename', async () => {
    await using(at('before'), 'create', async (handle) => {
      await handle.write(Buffer.from('one'), 0, signal);
      await endpoint().rename(at('before'), at('after'), false, signal);
      if (!lacks.has('offset-writes')) await handle.write(Buffer.from('two'), 3, signal);
    });
    const text = outside().read(at('after'))?.toString();
    expect(text).toBe(lacks.has('offset-writes') ? 'one' : 'onetwo');
  });
}
