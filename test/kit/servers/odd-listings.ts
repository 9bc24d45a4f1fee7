/** Misbehaviour for hostile-server.ts around listings, most of it with `concurrent`. `root` is the served folder. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { nameReply, statusCode, statusReply } from '../../../src/test-server/sftp-server.js';
import type { Asked, Behave } from './hostile-server.js';
import { says } from './odd-attributes.js';

/** Answers READDIR by what `answer` makes of the folder's names and of the state of its handle. */
function lists<State>(
  root: string,
  fresh: () => State,
  answer: (
    names: readonly string[],
    state: State,
    turn: Promise<void>,
  ) => Promise<readonly string[] | 'end' | 'fail'>,
): Behave {
  const states = new Map<string, State>();
  return async (asked) => {
    if (asked.type !== 'READDIR') return 'normal';
    const key = `${asked.channel} ${asked.handle}`;
    const state = states.get(key) ?? fresh();
    states.set(key, state);
    const folder = join(root, asked.at);
    const turn = new Promise<void>((resolve) => setImmediate(resolve));
    const names = await answer(readdirSync(folder), state, turn);
    if (names === 'end') return statusReply(asked.id, statusCode.EOF);
    if (names === 'fail') return statusReply(asked.id, statusCode.FAILURE, 'invalid handle');
    return reply(asked, folder, names);
  };
}

function reply(asked: Asked, folder: string, names: readonly string[]): Buffer {
  const lines = names.map((name) => {
    const { size, mode, mtimeMs } = lstatSync(join(folder, name));
    const attributes = { size, mode, mtime: Math.floor(mtimeMs / 1000) };
    return { name: Buffer.from(name).toString('latin1'), attributes };
  });
  return nameReply(asked.id, lines);
}

/** As servers do that are written with ssh2's `Server` or paramiko: the folder is read, and noted as read afterwards. */
export const listsTwice = (root: string): Behave =>
  lists(
    root,
    () => ({ done: false }),
    async (names, state, turn) => {
      if (state.done) return 'end';
      await turn;
      state.done = true;
      return names;
    },
  );

/** Two names an answer; how far it got is noted afterwards, so that some are sent twice and some never. */
export const losesNames = (root: string): Behave =>
  lists(
    root,
    () => ({ at: 0 }),
    async (names, state, turn) => {
      const from = state.at;
      await turn;
      state.at += 2;
      return from >= names.length ? 'end' : names.slice(from, from + 2);
    },
  );

/** Two names an answer, in order. */
export const twoNames = (root: string): Behave =>
  lists(
    root,
    () => ({ at: 0 }),
    async (names, state) => {
      const from = state.at;
      state.at += 2;
      return from >= names.length ? 'end' : names.slice(from, from + 2);
    },
  );

/** The handle is unknown once the end was reported. */
export const dropsHandleAtEnd = (root: string): Behave =>
  lists(
    root,
    () => ({ done: false, gone: false }),
    async (names, state) => {
      if (state.gone) return 'fail';
      state.gone = state.done;
      if (state.done) return 'end';
      state.done = true;
      return names;
    },
  );

/** Listings have no permissions, and so no types. */
export const noTypes: Behave = (asked) =>
  asked.type === 'READDIR' ? says(() => ({ mode: undefined }))(asked) : 'normal';
