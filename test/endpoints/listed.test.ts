/** Entries that are no longer needed are freed by the next scavenge, whatever was kept before. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { builtModule } from '../kit/built.js';

const run = promisify(execFile);

/** Keeps many listings, as of a tree listed ahead, then makes 1,000 more and keeps none of them. */
const script = `
  import { getHeapSpaceStatistics } from 'node:v8';
  import { toEntries } from '${await builtModule('endpoints/local/list-local.ts')}';
  import { Reader, readEntries } from '${await builtModule('endpoints/sftp/client/wire.ts')}';

  const names = Array.from({ length: 1000 }, (_, i) => 'file-' + i);
  const flat = { names: names.join('\\0'), numbers: new Float64Array(4 * names.length) };
  for (let at = 2; at < flat.numbers.length; at += 4) flat.numbers[at] = 1_700_000_000.5;
  const entry = (name) => {
    const bytes = Buffer.alloc(4 + name.length + 4 + 4);
    bytes.writeUInt32BE(name.length);
    bytes.write(name, 4);
    return bytes;
  };
  const count = Buffer.alloc(4);
  count.writeUInt32BE(names.length);
  const answer = Buffer.concat([count, ...names.map(entry)]);
  const ways = {
    local: () => toEntries(flat),
    remote: () => readEntries(new Reader(answer, 0, answer.length)),
  };
  const list = ways[process.argv[1]];
  const old = () =>
    getHeapSpaceStatistics().find((it) => it.space_name === 'old_space').space_used_size;
  const kept = Array.from({ length: 600 }, list);
  kept.fill(undefined);
  let grown = 0;
  for (let i = 0, before = old(); i < 1000; i++) {
    list();
    const now = old();
    grown += Math.max(0, now - before); // a full collection in between hides nothing
    before = now;
  }
  console.log(grown);
`;

test.each(['local', 'remote'])(
  'of a %s folder',
  async (side) => {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script, side]);
    expect(Number(stdout)).toBeLessThan(10_000_000); // of some 70 MB that are made
  },
  60_000,
);
