/**
 * The least that a small run costs on Redis: BullMQ's own worker, with entries as large as ours, that
 * does nothing else (`queue`), or also puts one file on the server by our commit protocol over a warm
 * session and keeps a report and a log (`whole`). daemon-runs.ts runs this file as a process of its own.
 */
import { writeFileSync } from 'node:fs';
import { open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Queue, Worker } from 'bullmq';
import { Client, type SFTPWrapper, type Stats } from 'ssh2';

export interface FloorTask {
  readonly does: 'queue' | 'whole';
  readonly port: number;
  /** Runs added at once, and how often they are. */
  readonly runs: number;
  readonly rounds: number;
  /** Source, destination and reports are in it. */
  readonly folder: string;
  readonly server: { readonly port: number; readonly keyFile: string; readonly username: string };
}

export interface FloorResult {
  /** Runs a second, of each round. */
  readonly rates: readonly number[];
  /** Of this process, for one run. */
  readonly processorMs: number;
}

/** As many as a daemon carries out by itself. */
const atOnce = 8;
/** As large as a report of ours for one file, and the lines of its log. */
const [reportBytes, logBytes] = [900, 1400];
const fileBytes = 1024;

async function measure(task: FloorTask): Promise<FloorResult> {
  const connection = { port: task.port, maxRetriesPerRequest: null };
  const queue = new Queue('floor', { connection });
  const put = task.does === 'whole' ? await putter(task) : async () => {};
  const ended = new Map<string, () => void>();
  const report = { text: 'r'.repeat(reportBytes) };
  const worker = new Worker(
    'floor',
    async ({ data }) => {
      await put(data.job, data.run);
      return report;
    },
    { connection, concurrency: atOnce },
  );
  worker.on('completed', ({ data }) => ended.get(data.run)?.());
  await worker.waitUntilReady();
  const rates: number[] = [];
  let before = process.cpuUsage();
  for (let round = -1; round < task.rounds; round++) {
    if (round === 0) before = process.cpuUsage();
    const start = performance.now();
    await Promise.all(
      Array.from({ length: task.runs }, async (_, number) => {
        const run = `20260101T000000Z-${round}-${number}`;
        const isOver = new Promise<void>((end) => ended.set(run, end));
        const data = { v: 1, run, job: `job-${number}`, trigger: 'manual' };
        await queue.add('run', data, {
          jobId: run,
          attempts: 3,
          removeOnComplete: { count: 1000 },
        });
        await isOver;
        ended.delete(run);
      }),
    );
    if (round >= 0) rates.push(task.runs / ((performance.now() - start) / 1000));
  }
  const { user, system } = process.cpuUsage(before);
  return { rates, processorMs: (user + system) / 1000 / (task.rounds * task.runs) };
}

/** Puts a file of a job on the server, and keeps the run's report and log. */
async function putter({ folder, server }: FloorTask) {
  const source = join(folder, 'source.bin');
  writeFileSync(source, Buffer.alloc(fileBytes, 'x'));
  const sftp = await session(server);
  const call = {
    open: promisify<string, 'wx', Buffer>(sftp.open.bind(sftp)),
    write: promisify<Buffer, Buffer, number, number, number, void>(sftp.write.bind(sftp)),
    fsetstat: promisify<Buffer, object, void>(sftp.fsetstat.bind(sftp)),
    fstat: promisify<Buffer, Stats>(sftp.fstat.bind(sftp)),
    close: promisify<Buffer, void>(sftp.close.bind(sftp)),
    rename: promisify<string, string, void>(sftp.ext_openssh_rename.bind(sftp)),
  };
  return async (job: string, run: string) => {
    const file = await open(source);
    const { mtime } = await file.stat();
    const bytes = await file.readFile();
    await file.close();
    const [part, final] = [join(folder, `.${run}.ferrypart`), join(folder, `${job}.bin`)];
    const handle = await call.open(part, 'wx');
    const [, , { size }] = await Promise.all([
      call.write(handle, bytes, 0, bytes.length, 0),
      call.fsetstat(handle, { mtime: mtime.getTime() / 1000, atime: mtime.getTime() / 1000 }),
      call.fstat(handle),
      call.close(handle),
    ]);
    if (size !== bytes.length) throw new Error(`${part} has ${size} bytes`);
    await call.rename(part, final);
    const kept = join(folder, `${run}.json`);
    await writeFile(`${kept}.new`, 'r'.repeat(reportBytes), { flag: 'wx' });
    await rename(`${kept}.new`, kept);
    await writeFile(join(folder, `${run}.ndjson`), 'l'.repeat(logBytes));
  };
}

async function session({ port, keyFile, username }: FloorTask['server']): Promise<SFTPWrapper> {
  const client = new Client();
  const privateKey = await readFile(keyFile);
  return new Promise((resolve, reject) => {
    client.once('error', reject);
    client.once('ready', () =>
      client.sftp((error, sftp) => (error === undefined ? resolve(sftp) : reject(error))),
    );
    client.connect({ host: '127.0.0.1', port, username, privateKey, hostVerifier: () => true });
  });
}

const result = await measure(JSON.parse(process.argv[2] ?? '') as FloorTask);
process.stdout.write(JSON.stringify(result), () => process.exit());
