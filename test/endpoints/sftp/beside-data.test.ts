/** While a large file is written, small requests, say of other runs, need not wait behind its data. */
import { expect, test } from 'vitest';
import { openSide } from '../../../src/endpoints/open.js';
import { SessionPool } from '../../../src/endpoints/sftp/pool.js';
import { type Behave, startHostileServer } from '../../kit/servers/hostile-server.js';
import { remoteFor } from '../../kit/servers/remote.js';

const chunk = 255 * 1024;

test('small requests do not wait while a server is slow to store a file', async () => {
  const hostile = await startHostileServer();
  const pool = new SessionPool();
  const stop = new AbortController();
  const { signal } = stop;
  try {
    const remote = remoteFor(hostile, { root: hostile.root });
    const { endpoint } = await openSide({ remote, path: '', label: '' }, 'to', pool, signal);
    let store = () => {};
    const stored = new Promise<void>((resolve) => {
      store = resolve;
    });
    const behave: Behave = ({ type }) =>
      type === 'WRITE' ? stored.then(() => 'normal' as const) : 'normal';
    hostile.behave = behave;
    const file = await endpoint.open('large', 'create', 0o644, signal);
    const writes = Array.from({ length: 16 }, (_, i) =>
      file.write(Buffer.alloc(chunk, i), i * chunk, signal),
    );
    // the first channel has the file's data; another one is being opened
    const session = await pool.session(remote, signal);
    while (session.channel().inFlight > 0) await new Promise(setImmediate);

    await endpoint.mkdir('small', 0o755, signal);
    expect((await endpoint.stat('small', signal))?.kind).toBe('folder');
    expect(
      new Set(hostile.requests.filter(({ type }) => type === 'WRITE').map((r) => r.channel)).size,
    ).toBe(1);
    store();
    await Promise.all(writes);
    expect((await file.stat(signal)).size).toBe(16 * chunk);
    await file.close();
  } finally {
    stop.abort(new Error('the test is over'));
    await pool.close();
    await hostile.stop();
  }
});
