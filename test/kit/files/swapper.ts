/** A process that exchanges a folder for a link that leads elsewhere and back, until it is stopped. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { symlinkSync } from 'node:fs';

export interface Swapper {
  /** Stops with the folder in its place. Resolves to the number of swaps. */
  stop(): Promise<number>;
}

/** What is made where the folder was, in the moment in which nothing is there, is moved out of the way. */
const program = `
const { renameSync } = require('node:fs');
const [folder, link, away] = process.argv.slice(1);
const clock = new Int32Array(new SharedArrayBuffer(4));
let swaps = 0;
let stray = 0;
let stopped = false;
const place = (from) => {
  for (;;) {
    try {
      renameSync(from, folder);
      swaps++;
      return;
    } catch {
      try { renameSync(folder, away + '-' + stray++); } catch {}
    }
  }
};
const turn = () => {
  for (let i = 0; i < 50; i++) {
    renameSync(folder, away);
    place(link);
    Atomics.wait(clock, 0, 0, 0.02);
    renameSync(folder, link);
    place(away);
    Atomics.wait(clock, 0, 0, 0.02);
  }
  if (!stopped) setImmediate(turn);
  else process.send(swaps, () => process.disconnect());
};
process.on('message', () => { stopped = true; });
process.send('ready');
turn();
`;

/** The folder and the link to \`elsewhere\` change places; while the link is in it, the folder is at \`folder\` + "~". Both stay on one file system. */
export async function swap(folder: string, place: string, elsewhere: string): Promise<Swapper> {
  const link = `${place}/link`;
  symlinkSync(elsewhere, link);
  const swapper: ChildProcess = spawn(
    process.execPath,
    ['-e', program, folder, link, `${place}/away`],
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  );
  await once(swapper, 'message');
  return {
    async stop() {
      const counted = once(swapper, 'message');
      swapper.send('stop');
      const [swaps] = await counted;
      await once(swapper, 'exit');
      return swaps as number;
    },
  };
}
