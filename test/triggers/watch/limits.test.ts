/** Watching when the system gives no more watches: in a process of its own, with limits of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, expect, test } from 'vitest';
import { builtModule } from '../../kit/built.js';
import { temporaryFolder } from '../../kit/files/temporary.js';

const built = await builtModule('triggers/watch/watch.ts');

const child = `
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const say = (...words) => process.stdout.write(JSON.stringify(words) + '\\n');
const [root, limit] = process.argv.slice(1);
let raise;
if (limit === 'namespace') raise = () => fs.writeFileSync('/proc/sys/user/max_inotify_watches', '100');
if (limit === 'stand-in') {
  let left = 6;
  const { watch } = fs;
  fs.watch = (...args) => {
    if (--left < 0) throw Object.assign(new Error('no watches'), { code: 'ENOSPC' });
    return watch(...args);
  };
  syncBuiltinESMExports();
  raise = () => { left = 100; };
}
const { watchFolder } = await import(${JSON.stringify(built)});
if (limit === 'files') {
  await import('node:readline'); // no file can be opened below, by imports either
  const files = [];
  try { for (;;) files.push(fs.openSync('/dev/null')); } catch {}
  raise = () => { for (const file of files) fs.closeSync(file); };
}
const watch = watchFolder({
  root, settle: 50, rescan: 3_600_000, retry: 200, wanted: () => true,
  onSettled: (folders) => say('settled', ...folders),
  onRescan: (why) => say('rescan', why),
  onState: (...state) => say(...state),
});
await watch.ready;
say('ready');
process.stdin.on('data', () => raise());
process.stdin.on('end', () => watch.close());
`;

let running: ChildProcess | undefined;
afterEach(() => running?.kill('SIGKILL'));

/** Starts the child; resolves its lines one by one. */
async function start(limit: string, setLimit: readonly string[]) {
  const root = join(await temporaryFolder(), 'root');
  for (const folder of 'abcdefgh') mkdirSync(join(root, folder), { recursive: true });
  const [command = '', ...args] = [...setLimit, process.execPath];
  const started = spawn(command, [...args, '--input-type=module', '-e', child, root, limit], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  running = started;
  const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]();
  return {
    root,
    next: async () => JSON.parse(String((await lines.next()).value)) as string[],
    raise: () => started.stdin.write('raise\n'),
    async end() {
      started.stdin.end();
      await new Promise((resolve) => started.once('exit', resolve));
    },
  };
}

const few = 'echo 6 > /proc/sys/user/max_inotify_watches';
/** Whether this machine lets us make a namespace with limits of its own; if not, a stand-in for fs.watch refuses watches. */
const canLimit = spawnSync('unshare', ['-Ur', 'sh', '-c', few]).status === 0;
const withFew = canLimit ? ['unshare', '-Ur', 'sh', '-c', `${few}; exec "$@"`, 'sh'] : [];

test.each([
  ['watches', canLimit ? 'namespace' : 'stand-in', withFew, 'fs.inotify.max_user_watches'],
  ['open files', 'files', ['sh', '-c', 'ulimit -n 64; exec "$@"', 'sh'], 'limit of open files'],
])(
  'too few %s: it says so and goes on, and tries again until there are more',
  async (_what, limit, command, advice) => {
    const run = await start(limit, command);
    expect(await run.next()).toEqual(['degraded', expect.stringContaining(advice)]);
    expect(await run.next()).toEqual(['rescan', 'start']);
    expect(await run.next()).toEqual(['ready']);
    run.raise();
    expect(await run.next()).toEqual(['watching']);
    expect(await run.next()).toEqual(['rescan', 'error']);
    for (const folder of 'abcdefgh') {
      writeFileSync(join(run.root, folder, 'file'), '');
      expect(await run.next()).toEqual(['settled', folder]);
    }
    await run.end();
  },
);
