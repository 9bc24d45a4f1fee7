/** What a daemon answers about incidents, silences and messages. Any process on the store can: what is said to whoever keeps them is a note. */
import { randomBytes } from 'node:crypto';
import { FerryError } from '../core/errors.js';
import { type Incident, silenceOf } from '../core/incident.js';
import {
  type MessageView,
  viewOfIncident,
  viewOfSilence,
  viewOfStep,
} from '../core/incident-view.js';
import { present } from '../core/present.js';
import { testStep } from '../notify/deliver.js';
import type { KnownMessage } from '../notify/messages.js';
import type { OpenQueue } from '../queue/open.js';
import { noSuchJob, noSuchRemote } from '../server/control/controls.js';
import { type IncidentControls, noSuch } from '../server/incident-controls.js';
import { remotesOf } from './happenings.js';
import type { Incidents } from './incidents.js';
import type { JobsInUse } from './jobs-in-use.js';

/** Messages that lists look at. */
const mostMessages = 1000;

export function incidentAnswers({
  incidents,
  inUse,
  queue,
}: {
  readonly incidents: Incidents;
  readonly inUse: JobsInUse;
  readonly queue: OpenQueue;
}): IncidentControls {
  const { store, messages } = incidents;
  const known = async () => {
    const [{ incidents: kept }, { said, silences }] = await Promise.all([
      store.load(),
      store.notes(),
    ]);
    const now = queue.store.clock();
    // What somebody has just said counts before it was heard.
    const asSaid = kept.map((one): Incident => {
      const note = said.get(`acknowledged-${one.id}`);
      if (note?.note !== 'acknowledged' || one.acknowledged !== undefined) return one;
      return { ...one, acknowledged: { at: note.at, by: note.by } };
    });
    const viewOf = (one: Incident) => {
      const remotes = (job: string) => remotesOf(inUse.jobNamed(job));
      const silence =
        one.closedAt === undefined ? silenceOf(one, silences, remotes, now) : undefined;
      return viewOfIncident(one, silence, now);
    };
    return { incidents: asSaid, silences, viewOf, now };
  };
  const find = async (id: string) => {
    const found = await known();
    const incident = found.incidents.find((one) => one.id === id);
    if (incident === undefined)
      throw noSuch('incident', id, '`ferryline status` shows those that are open');
    return { ...found, incident };
  };
  return {
    async incidents() {
      const { incidents: all, viewOf } = await known();
      return all
        .sort((one, other) => other.openedAt - one.openedAt || (one.id < other.id ? 1 : -1))
        .map(viewOf);
    },

    async incident(id) {
      const { incident, viewOf } = await find(id);
      return { ...viewOf(incident), steps: incident.steps.map(viewOfStep) };
    },

    async acknowledge(id, by) {
      const { incident, now } = await find(id);
      if (incident.closedAt !== undefined || incident.acknowledged !== undefined) return false;
      await store.say({ note: 'acknowledged', incident: id, by, at: Math.round(now) });
      await incidents.poke();
      return true;
    },

    async silences() {
      const { silences, now } = await known();
      return silences
        .sort((one, other) => other.since - one.since || (one.id < other.id ? 1 : -1))
        .map((one) => viewOfSilence(one, now));
    },

    async silence({ scope, name }, until, by, reason) {
      const { jobs, remotes } = inUse.config;
      if (scope === 'job' && !jobs.has(name ?? '')) throw noSuchJob(name ?? '', jobs.keys());
      if (scope === 'remote' && !remotes.has(name ?? ''))
        throw noSuchRemote(name ?? '', remotes.keys());
      const now = Math.round(queue.store.clock());
      if (until <= now) throw new FerryError('config', 'a silence ends in the future');
      const id = `s${now.toString(36)}${randomBytes(2).toString('hex')}`;
      const made = { id, scope, since: now, until, by, ...present({ name, reason }) };
      await store.silence(made);
      await incidents.poke();
      return viewOfSilence(made, now);
    },

    async endSilence(id) {
      const { silences, now } = await known();
      const found = silences.find((one) => one.id === id);
      if (found === undefined) throw noSuch('silence', id, '`ferryline silence --list` shows them');
      if (!viewOfSilence(found, now).active) return false;
      await store.silence({ ...found, endedAt: Math.round(now) });
      await incidents.poke();
      return true;
    },

    async messages() {
      return (await messages.newest(mostMessages)).map(viewOfMessage);
    },

    async sendAgain(id) {
      const found = await messages.find(id);
      if (found === undefined) throw noSuch('message', id, 'GET /api/v1/messages lists them');
      if (!(await messages.again(id)))
        throw new FerryError(
          'busy',
          `message ${id} is not dead: it is ${viewOfMessage(found).state}`,
        );
      await incidents.poke();
    },

    async test(channel, by) {
      const { notify } = inUse.config;
      const target = notify.get(channel)?.target;
      if (target === undefined)
        throw noSuch('channel', channel, `jobs.yml has ${[...notify.keys()].join(', ') || 'none'}`);
      if (target.kind === 'healthchecks')
        throw new FerryError('refused', `the channel ${channel} takes no messages: runs ping it`);
      const now = Math.round(queue.store.clock());
      const step = { incident: `t${now.toString(36)}`, step: testStep };
      const { id } = await messages.add({ channel, steps: [step], incidents: [], madeAt: now, by });
      await incidents.poke();
      return id;
    },
  };
}

function viewOfMessage({ id, message, end }: KnownMessage): MessageView {
  const { channel, steps, madeAt, tries, lastError } = message;
  const state = end === undefined ? 'waiting' : end.result === 'dead' ? 'dead' : 'sent';
  const endedAt = end === undefined ? undefined : new Date(end.at).toISOString();
  return {
    ...{ id, channel, steps, madeAt: new Date(madeAt).toISOString(), state },
    ...present({ endedAt, tries, why: state === 'sent' ? undefined : (end?.why ?? lastError) }),
  };
}
