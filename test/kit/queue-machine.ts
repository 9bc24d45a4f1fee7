/** A machine on a queue's server whose clock is another one: a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { builtModule } from './built.js';

let storeModule: Promise<string> | undefined;

/** A process with a clock of its own that opens the store, with a worker of the queue `ferryline-runs-clocks`. `run` evaluates an expression there; `shift` is how far its clock is ahead, ms. */
export async function startMachine(url: string, shift: number) {
  storeModule ??= builtModule('queue/store/store.ts');
  const program = `
    let shift = ${shift};
    const Real = Date;
    globalThis.Date = class extends Real {
      constructor(...given) { if (given.length === 0) super(Date.now()); else super(...given); }
      static now() { return Real.now() + shift; }
    };
    const { openStore } = await import(${JSON.stringify(await storeModule)});
    const { Worker } = await import('bullmq');
    const said = [];
    const say = (message) => said.push(message);
    let store, worker;
    try {
      store = await openStore({ url: ${JSON.stringify(url)}, folder: '', onTrouble() {}, onWarning: say, onNote: say });
      const options = { ...store.options(), autorun: false, stalledInterval: 1 };
      worker = new Worker('ferryline-runs-clocks', null, options, store.backend);
      await worker.waitUntilReady();
      process.send({});
    } catch ({ kind, message }) {
      process.send({ answer: { kind, message } });
    }
    process.on('message', async (code) => {
      try { process.send({ answer: await eval('(async () => (' + code + '))()') }); }
      catch (error) { process.send({ answer: String(error) }); }
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit').then(([code]) => [{ answer: `ended with ${code}` }]);
  const answer = async () => {
    const [message] = await Promise.race([once(child, 'message'), ended]);
    return (message as { answer?: unknown }).answer;
  };
  return {
    /** Why the store was not opened. */
    opened: answer(),
    async run(code: string) {
      const answered = answer();
      child.send(code);
      return answered;
    },
    stop: () => child.kill('SIGKILL'),
  };
}
