/** The guides of docs/: each command works, and prints what the page shows. */
import {
  appendFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { giveTo } from './kit/account.js';
import { test } from './kit/base.js';
import { followGuide, type Others } from './kit/guide.js';
import { startSshd } from './kit/servers/sshd.js';

const guides = readdirSync(join(import.meta.dirname, '../docs/guides')).map(
  (name) => `docs/guides/${name}`,
);

const others: Others = {
  'the server has a copy of the files, and old.txt': ({ sshd, home }) => {
    const copy = join(sshd.root, 'data');
    cpSync(join(home, 'data'), copy, { recursive: true, preserveTimestamps: true });
    rmSync(join(copy, 'cache.tmp'));
    writeFileSync(join(copy, 'old.txt'), 'old');
    giveTo(sshd.account, copy);
  },
  'the server accepts the new key': ({ sshd, home }) => {
    const added = readFileSync(join(home, '.ssh/ferryline_2027.pub'));
    appendFileSync(join(dirname(sshd.hostKeyFiles[0] ?? ''), 'authorized_keys'), added);
  },
  'the server has a new host key': ({ sshd }) => sshd.swapHostKey(),
  'a file of the archive is damaged, its size and time kept': ({ sshd }) => {
    const file = join(sshd.root, 'data/report.csv');
    const { atime, mtime } = statSync(file);
    writeFileSync(file, 'day,sam\n');
    utimesSync(file, atime, mtime);
  },
};

const pages = ['docs/first-job.md', ...guides];

// The daemons use a Redis: an embedded queue takes seconds to make.
test.for(pages)('%s', { timeout: 120_000 }, async (page, { redis }) => {
  const sshd = await startSshd();
  try {
    const trusted = page !== 'docs/first-job.md';
    await followGuide(page, sshd, { others, trusted, queue: redis.database() });
  } finally {
    await sshd.stop();
  }
});
