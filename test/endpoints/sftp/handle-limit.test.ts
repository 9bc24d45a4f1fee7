/** The limit of open handles where answers come in any order, as they do over several channels. */
import { beforeEach, describe, expect, test } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import { HandleLimit } from '../../../src/endpoints/sftp/handle-limit.js';
import { conversation, quiet, watch } from '../../kit/servers/peer.js';

const denied = new FerryError('io', 'Permission denied', { code: 'EACCES' });

interface Asked {
  readonly name: number;
  readonly opens: () => void;
  readonly denies: () => void;
}

/** Opens that are answered when, and as, a test says. */
class Opens {
  /** What is asked and not answered. */
  asked: Asked[] = [];
  times = 0;
  readonly limits: number[] = [];
  readonly handles = new HandleLimit((open) => this.limits.push(open));

  async open(name: number) {
    const { channel } = await conversation();
    const ask = () =>
      new Promise<Buffer>((resolve, reject) => {
        this.times++;
        this.asked.push({
          name,
          opens: () => resolve(Buffer.from([name])),
          denies: () => reject(denied),
        });
      });
    return watch(this.handles.open(channel, ask, new AbortController().signal));
  }

  openAll(count: number) {
    return Promise.all(Array.from({ length: count }, (_, name) => this.open(name)));
  }

  /** Answers all that is asked now, in this order. */
  async answer(...answers: readonly ((asked: Asked) => void)[]) {
    const asked = this.asked.splice(0);
    expect(asked).toHaveLength(answers.length);
    for (const [i, one] of asked.entries()) {
      answers[i]?.(one);
      await quiet();
    }
  }
}

const opens = (asked: Asked) => asked.opens();
const denies = (asked: Asked) => asked.denies();

let server: Opens;
beforeEach(() => {
  server = new Opens();
});

const outcomes = (files: readonly { outcome: unknown }[]) => files.map(({ outcome }) => outcome);

describe('opens that are denied for want of handles', () => {
  test('a denial that overtakes the opens before it is no failure', async () => {
    const files = await server.openAll(8);
    const [a, b, c, d, ...rest] = server.asked.splice(0);
    for (const late of rest) late.denies();
    await quiet();
    for (const early of [a, b, c, d]) early?.opens();
    await quiet();
    expect(outcomes(files)).toEqual([...Array(4).fill('done'), ...Array(4).fill('waiting')]);
    for (let i = 0; i < 4; i++) {
      server.handles.closed();
      await quiet();
      await server.answer(opens);
    }
    expect(outcomes(files)).toEqual(Array(8).fill('done'));
    expect(server.limits).toHaveLength(1);
  });

  test('once the limit is known, neither is one that overtakes more of them', async () => {
    const files = await server.openAll(6);
    await server.answer(opens, opens, opens, opens, opens, denies);
    for (let i = 0; i < 5; i++) server.handles.closed();
    await quiet();
    await server.answer(opens);
    expect([outcomes(files), server.limits]).toEqual([Array(6).fill('done'), [5]]);
    server.handles.closed();

    const more = await server.openAll(6);
    const [late, ...early] = server.asked.splice(0).reverse();
    late?.denies();
    await quiet();
    for (const open of early) open.opens();
    await quiet();
    server.handles.closed();
    await quiet();
    await server.answer(opens);
    expect(outcomes(more)).toEqual(Array(6).fill('done'));
  });
});

describe('opens that are denied for their own sake', () => {
  test('other files are opened while one is in doubt', async () => {
    await server.openAll(4);
    await server.answer(opens, opens, opens, opens);
    const bad = await server.open(9);
    await server.answer(denies);
    const good = await server.open(5);
    await server.answer(opens);
    expect([bad.outcome, good.outcome]).toEqual(['waiting', 'done']);
    for (let i = 0; i < 2; i++) {
      server.handles.closed();
      await quiet();
      await server.answer(denies);
    }
    expect([bad.outcome, server.limits]).toEqual([denied, []]);
  });

  test('after a few, hundreds fail without another request', async () => {
    const good = await server.openAll(12);
    await server.answer(...Array(12).fill(opens));
    server.handles.closed();
    const bad = await server.openAll(300);
    await server.answer(...Array(300).fill(denies));
    for (let i = 0; i < 8; i++) {
      server.handles.closed();
      await quiet();
      await server.answer(denies);
    }
    expect(outcomes([...good, ...bad])).toEqual([
      ...Array(12).fill('done'),
      ...Array(300).fill(denied),
    ]);
    expect([server.times, server.limits]).toEqual([12 + 300 + 8, []]);
  });
});
