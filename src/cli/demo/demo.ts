/**
 * `ferryline demo`: runs the project's own jobs.yml against a temporary server, with the commands a
 * user would type, then with the daemon (daemon.ts). Every step is checked; the exit code is 0 only
 * if all of them succeed.
 */
import { mkdir, mkdtemp, readFile, realpath, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCodes } from '../../core/errors.js';
import { readOwnFile } from '../../state/own-files.js';
import type { Context } from '../context.js';
import { playDaemon } from './daemon.js';
import { type DemoHost, startMachineSshd, startOwnServer } from './host.js';
import { filesBelow, makeData, makeSite, put, sameFiles, touchAll } from './samples.js';
import { check, command, ferryline, lastReport, type Stage, title } from './stage.js';

/** What nightly excludes in jobs.yml. */
const excluded = /\.tmp$|(?:^|\/)cache\//;

export async function demo(context: Context): Promise<number> {
  const { output } = context;
  const signal = context.stopSignal();
  const top = await realpath(await mkdtemp(join(tmpdir(), 'ferryline-demo-')));
  let host: DemoHost | undefined;
  try {
    const [folder, served, keys] = ['here', 'server', 'keys'].map((name) => join(top, name)) as [
      string,
      string,
      string,
    ];
    for (const one of [folder, served, keys]) await mkdir(one, { mode: 0o700 });
    await writeFile(join(folder, 'jobs.yml'), readOwnFile('jobs.yml'));
    await makeData(join(folder, 'data'));
    host = await openHost({ folder, served, output, signal }, keys);
    output.note(`A temporary SFTP server (${host.what}) listens on 127.0.0.1:${host.port};`);
    output.note(`jobs.yml, copied to ${folder}, has three jobs that use it.`);
    const stage = { folder, served, host, output, signal };
    await play(stage);
    await playDaemon(stage);
  } finally {
    await host?.stop();
    await rm(top, { recursive: true, force: true });
  }
  output.note('');
  output.note(
    `${output.style.green('Everything worked as promised.')} The server and its files are removed.`,
  );
  output.note(
    'Next: read README.md, docs/architecture.md and jobs.yml, which you have just seen at work.',
  );
  return 0;
}

/** The machine's sshd, if a first plan shows that a login works; else our own server. */
async function openHost(stage: Omit<Stage, 'host'>, keys: string): Promise<DemoHost> {
  const sshd = await startMachineSshd(keys, stage.served);
  if (sshd !== undefined) {
    const code = await ferryline({ ...stage, host: sshd }, ['plan', 'nightly'], 'ignore');
    if (code === 0) return sshd;
    await sshd.stop();
  }
  return startOwnServer(keys, stage.served);
}

async function play(stage: Stage): Promise<void> {
  const { folder, served, output } = stage;
  const data = join(folder, 'data');

  title(stage, '1. First contact: the archive holds a file of somebody else, so a mirror stops');
  await put(served, 'data/theirs.txt', 'not from ./data\n');
  await command(stage, ['run', 'nightly'], exitCodes.refused);
  await check(stage, 'exit code 7: nothing was deleted, nothing else was done', async () => {
    const there = await filesBelow(join(served, 'data'));
    return `${there}` === 'theirs.txt';
  });
  output.note('The file may go: whoever has looked at the plan says so, once.');
  await command(stage, ['run', 'nightly', '--delete-max', '1'], 0);
  await check(stage, 'every file is there, byte for byte; excluded ones stayed here', () =>
    sameFiles(data, join(served, 'data'), excluded).then(
      async (same) =>
        same && !(await filesBelow(join(served, 'data'))).some((p) => excluded.test(p)),
    ),
  );

  title(stage, '2. One file changes, one is new, one goes: only that moves');
  await put(data, 'reports/2023-01.csv', 'month,total\n2023-01,corrected\n');
  await put(data, 'reports/2027-01.csv', 'month,total\n2027-01,1\n');
  const lost = await readFile(join(data, 'photos/12.jpg'));
  await unlink(join(data, 'photos/12.jpg'));
  await command(stage, ['run', 'nightly', '-v'], 0);
  await check(stage, '2 copied, 1 deleted (it is in the trash), 1 login', async () => {
    const { files, sessions } = await lastReport(stage, 'nightly');
    return files.copied === 2 && files.deleted === 1 && sessions === 1;
  });

  title(stage, '3. The deleted photo comes back from the trash, into ./data');
  await command(stage, ['restore', 'nightly'], 0);
  await command(stage, ['restore', 'nightly', 'photos/12.jpg', '--to', './data'], 0);
  await check(
    stage,
    'the photo is as it was, the new report too; nothing was overwritten',
    async () => {
      const [photo, report] = await Promise.all(
        ['photos/12.jpg', 'reports/2023-01.csv'].map((path) => readFile(join(data, path))),
      );
      return photo?.equals(lost) === true && `${report}`.includes('corrected');
    },
  );

  title(stage, '4. What lands in ./outbox is delivered, then kept in ./sent');
  for (const name of ['order-1.xml', 'order-2.xml']) {
    await put(join(folder, 'outbox'), name, `<order name="${name}"/>\n`);
  }
  await command(stage, ['run', 'drop-folder'], 0);
  await check(stage, './outbox is empty, the server and ./sent have both orders', async () => {
    const orders = 'order-1.xml,order-2.xml';
    const [left, there, sent] = await Promise.all(
      [join(folder, 'outbox'), join(served, 'inbox'), join(folder, 'sent')].map(filesBelow),
    );
    return left?.length === 0 && `${there}` === orders && `${sent}` === orders;
  });

  title(stage, '5. A build is published; the next checkout has new mtimes and one new page');
  await makeSite(join(folder, 'dist'), 'Version 1');
  await command(stage, ['run', 'publish-site'], 0);
  await makeSite(join(folder, 'dist'), 'Version 2');
  await touchAll(join(folder, 'dist'));
  await command(stage, ['run', 'publish-site', '--dry-run'], 0);
  await check(stage, 'a dry run changes nothing', async () =>
    (await readFile(join(served, 'www/index.html'), 'utf8')).includes('Version 1'),
  );
  await command(stage, ['run', 'publish-site'], 0);
  await check(stage, 'contents were compared: 1 file went up', async () => {
    const { files } = await lastReport(stage, 'publish-site');
    return files.copied === 1 && (await sameFiles(join(folder, 'dist'), join(served, 'www')));
  });
  await command(stage, ['plan', '--all'], 0);

  title(stage, '6. Most of ./data is lost: the mirror refuses to delete it from the archive');
  const before = await filesBelow(join(served, 'data'));
  await rm(join(data, 'reports'), { recursive: true });
  await command(stage, ['run', 'nightly'], exitCodes.refused);
  await check(stage, 'exit code 7, and nothing was deleted', async () => {
    const after = await filesBelow(join(served, 'data'));
    return after.join('\n') === before.join('\n');
  });

  title(stage, '7. So it can be pulled back, without a job');
  await command(stage, ['pull', 'archive:data', './restored'], 0);
  await check(stage, './restored equals the archive, byte for byte', () =>
    sameFiles(join(folder, 'restored'), join(served, 'data')),
  );
}
