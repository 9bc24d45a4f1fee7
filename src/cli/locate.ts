/** Finds what a place on the command line means: a remote of jobs.yml, an ssh host, or a local path. */
import { FerryError } from '../core/errors.js';
import type { Config, Location } from '../core/job.js';
import { escapeText } from '../core/text.js';
import { cleanPath, parseLocation } from '../jobs/config/location.js';
import { type AdHocRemote, remoteFromSsh } from '../ssh/ssh-config/ssh-host.js';
import { isSshTarget } from '../ssh/ssh-config/ssh-target.js';
import type { Context } from './context.js';
import type { HostFlags } from './flags.js';

/** The remote of jobs.yml that a text may name: `archive` of `archive:www`. */
export function remoteNamed(text: string): string[] {
  const found = /^([A-Za-z][A-Za-z0-9._-]*):(?!\/\/)/.exec(text)?.[1];
  return found === undefined ? [] : [found];
}

export function mayNameRemote(text: string): boolean {
  return remoteNamed(text).length > 0;
}

/** Prints what of ssh_config is not followed; with `closely`, what changes nothing before a key is unknown, too. */
export function sayIgnored(
  { notes, remarks }: Pick<AdHocRemote, 'notes' | 'remarks'>,
  output: Context['output'],
  closely = output.verbosity > 0,
): void {
  for (const note of closely ? [...notes, ...remarks] : notes)
    output.note(`${output.style.yellow('warning:')} ${note}`);
}

/** A remote of jobs.yml takes precedence over an ssh host of that name; anything else is a local path. */
export function locate(
  text: string,
  config: Config | undefined,
  flags: HostFlags,
  { environment, output }: Context,
  closely?: boolean,
): Location {
  const name = text.slice(0, Math.max(0, text.indexOf(':')));
  const members = mayNameRemote(text) ? config?.groups.get(name) : undefined;
  if (members !== undefined) throw isGroup(text, name, members);
  const ofConfig = mayNameRemote(text) && config?.remotes.has(name) === true;
  if (ofConfig || !isSshTarget(text)) {
    if (ofConfig && (flags.identity !== undefined || flags.port !== undefined)) {
      throw new FerryError(
        'config',
        `-i and -P work with ssh hosts, but ${name} is a remote of ${escapeText(config?.file ?? '')}`,
        { hint: `set key or port there, or write user@${name}:path to mean the ssh host` },
      );
    }
    const found = parseLocation(text, {
      folder: environment.cwd,
      home: environment.home,
      remotes: config?.remotes ?? new Map(),
    });
    if (typeof found === 'object') return found;
    throw new FerryError(
      'config',
      `${escapeText(text)} ${found ?? 'names a remote that has errors'}`,
    );
  }
  const found = remoteFromSsh(text, { key: flags.identity, port: flags.port });
  sayIgnored(found, output, closely);
  const { remote, path } = found;
  return { remote, path: cleanPath(path), label: text };
}

function isGroup(text: string, name: string, members: readonly string[]): FerryError {
  const path = text.slice(name.length + 1);
  const one = members.map((member) => escapeText(`${member}:${path}`)).join(' or ');
  return new FerryError(
    'config',
    `${escapeText(text)}: ${name} is a group of remotes; this command takes one remote`,
    { hint: `name ${one}, or write a job for all of them` },
  );
}
