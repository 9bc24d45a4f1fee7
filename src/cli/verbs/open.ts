/**
 * `ferryline open`: the page of the daemon, in a browser. Its address has a code in it that opens the page
 * once, and arguments of a process are public: so the browser is given a file, which sends it there.
 */
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { openFile } from '../../state/layout.js';
import { writeWhole } from '../../state/write-whole.js';
import type { Context } from '../context.js';
import { daemonIn } from '../daemon-client.js';
import { findState } from '../state.js';

export interface OpenFlags {
  readonly print?: true;
}

export async function open({ print }: OpenFlags, context: Context): Promise<number> {
  const { output } = context;
  const state = await findState(context);
  const client = await daemonIn(state, context);
  const answer = client.openPage(context.stopSignal());
  const first = (await answer.next()).value;
  const address = first !== undefined && 'address' in first ? first.address : '';
  const opener = print === true ? undefined : openerOf(process.env);
  const isOpened = opener !== undefined && (await showIn(opener, state, address, answer));
  if (output.json)
    output.record({ event: 'open', time: new Date().toISOString(), address, opened: isOpened });
  else if (isOpened) output.note('the page is open in the browser');
  else {
    output.data(address);
    output.note('this address opens the page once, within 60 s');
  }
  await answer.return(undefined);
  return 0;
}

/** The program that opens files, where there is a screen. */
function openerOf(env: NodeJS.ProcessEnv): string | undefined {
  if (process.platform === 'darwin') return 'open';
  return env.DISPLAY || env.WAYLAND_DISPLAY ? 'xdg-open' : undefined;
}

/** Whether the browser has come to the page, at the latest after 10 s. */
async function showIn(
  opener: string,
  state: string,
  address: string,
  answer: AsyncIterable<{ readonly address: string } | { readonly used: boolean }>,
): Promise<boolean> {
  const file = openFile(state);
  await writeWhole(file, redirectTo(address));
  try {
    const child = spawn(opener, [file], { detached: true, stdio: 'ignore' });
    const failed = new Promise<boolean>((resolve) => child.once('error', () => resolve(false)));
    child.unref();
    return await Promise.race([failed, isUsed(answer)]);
  } finally {
    await rm(file, { force: true });
  }
}

async function isUsed(
  answer: AsyncIterable<{ readonly address: string } | { readonly used: boolean }>,
): Promise<boolean> {
  for await (const line of answer) if ('used' in line) return line.used;
  return false;
}

/** A page that holds nothing but the way to the address. */
function redirectTo(address: string): string {
  const url = address.replaceAll('&', '&amp;').replaceAll('"', '%22');
  return `<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url=${url}"><title>ferryline</title>\n`;
}
