/**
 * Keeps incidents as a daemon does, and is killed by itself (SIGKILL) right after a given number of writes to
 * the store. First it finishes what the one before it left. Arguments, as JSON: see killed.test.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Job, Queue } from 'bullmq';

const { modules, url, channel, scenarios, dieAfter } = JSON.parse(process.argv[2]);
const [{ openStore }, { IncidentStore }, { Messages }, { Keeper }] = await Promise.all(
  modules.map((module) => import(module)),
);

let writesLeft = Number.POSITIVE_INFINITY;
for (const [type, name] of [
  [Queue, 'add'],
  [Queue, 'remove'],
  [Job, 'updateData'],
]) {
  const write = type.prototype[name];
  type.prototype[name] = async function (...args) {
    const result = await write.apply(this, args);
    if (--writesLeft === 0) process.kill(process.pid, 'SIGKILL');
    return result;
  };
}

const onError = (error) => console.error(error);
const store = await openStore({ url, folder: '', onTrouble() {}, onNote() {}, onWarning() {} });
const incidents = new IncidentStore(store, onError);
const messages = new Messages(store, onError);
const settings = { ...channel, on: new Set(channel.on) };
const keeper = new Keeper({
  ...{ store: incidents, messages, now: () => store.clock() },
  channels: () => new Map([[settings.name, settings]]),
  isFor: () => true,
  remotesOf: () => [],
});
await keeper.load();

for (const { failures, successes, isLast } of scenarios) {
  if (isLast) writesLeft = dieAfter;
  await keeper.take(failures);
  await keeper.tell();
  await keeper.take(successes);
  // the end of an incident waits for the message about its beginning
  for (const { report } of failures) {
    const isTold = async () => {
      await keeper.tell();
      const { incidents: all } = await incidents.load();
      return all.some(({ run, told }) => run === report.run && told[settings.name]?.recovered);
    };
    while (!(await isTold())) await sleep(20);
  }
}
await store.close();
process.exit(0);
