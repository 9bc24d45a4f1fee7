/** The keys of an SSH agent, each as a method of its own: ssh2's own method offers all of them, and ignores that the server wants something else as well. */
import { createRequire } from 'node:module';
import type { ParsedKey } from 'ssh2';
import { abortable } from '../../core/abort.js';
import { escapeText, formatDuration } from '../../core/text.js';

type Signed = (error: Error | null | undefined, signature?: Buffer) => void;

/** The part of ssh2's agents that is used here. */
interface Agent {
  getIdentities(done: (error: Error | null | undefined, keys?: readonly ParsedKey[]) => void): void;
  sign(key: ParsedKey, blob: Buffer, options: { readonly hash?: string }, done: Signed): void;
}

/** A key whose private half an agent keeps. */
export interface AgentKey extends ParsedKey {
  signByAgent(blob: Buffer, hash: string | undefined, done: Signed): void;
}

export function isAgentKey(key: ParsedKey): key is AgentKey {
  return 'signByAgent' in key;
}

/**
 * The keys of the agent at a socket, in its order. Where it can't be asked, none, and `note` gets a
 * sentence that says why. Rejects with the signal's reason.
 */
export async function readAgentKeys(
  socket: string,
  deadlineMs: number,
  note: (sentence: string) => void,
  signal: AbortSignal,
): Promise<readonly AgentKey[]> {
  // of ssh2 this part alone, so that the rest can be loaded while the server answers
  const { createAgent } = createRequire(import.meta.url)('ssh2/lib/agent.js') as {
    createAgent(socket: string): Agent;
  };
  return abortable(signal, (resolve) => {
    const unusable = (why: string) => {
      clearTimeout(timer);
      note(`the agent at ${escapeText(socket)} can't be asked for its keys: ${escapeText(why)}`);
      resolve([]);
    };
    const timer = setTimeout(
      () => unusable(`no answer within ${formatDuration(deadlineMs)}`),
      deadlineMs,
    );
    const agent = createAgent(socket);
    agent.getIdentities((error, keys = []) => {
      if (error) return unusable(error.message);
      clearTimeout(timer);
      resolve(keys.map((key) => agentKey(agent, key)));
    });
    return () => clearTimeout(timer);
  });
}

/** ssh2 takes it for a private key, and sign-at-once.ts has the agent sign. */
function agentKey(agent: Agent, key: ParsedKey): AgentKey {
  return Object.assign(Object.create(key) as ParsedKey, {
    isPrivateKey: () => true,
    signByAgent: (blob: Buffer, hash: string | undefined, done: Signed) =>
      agent.sign(key, blob, hash === undefined ? {} : { hash }, done),
  });
}
