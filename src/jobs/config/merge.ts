/**
 * The keys of a job or remote laid over those of `defaults`, and those of the command line over both.
 * Short forms are expanded first, so that `delete: 20%` changes only `max`.
 */
import type { SecretText } from '../../core/remote.js';
import type { RawRules } from './job-schema.js';
import { type WithOff, withoutOff } from './off.js';
import type { RawRemote, RawRemoteDefaults } from './remote-schema.js';
import { isMap, type PlainMap } from './shapes.js';

type Long<K extends keyof RawRules> = Extract<RawRules[K], PlainMap>;

/** The keys of a job with their short forms expanded; a key that is switched off is false. */
export type JobRules = WithOff<
  Omit<RawRules, 'delete' | 'trash' | 'catchUp' | 'watch' | 'bandwidth' | 'hooks'> & {
    delete?: WithOff<Long<'delete'>>;
    trash?: WithOff<Long<'trash'>>;
    catchUp?: WithOff<Long<'catchUp'>>;
    watch?: WithOff<Long<'watch'>>;
    hooks?: WithOff<Long<'hooks'>>;
    bandwidth?: Long<'bandwidth'> | { readonly rate: string; readonly windows: [] };
  }
>;

/** Expands the short forms of a job's keys. */
export function expand(raw: WithOff<RawRules>): JobRules {
  const { delete: deletes, trash, catchUp, watch, bandwidth, ...rest } = raw;
  const long = {
    delete: isShare(deletes) ? { max: deletes } : deletes,
    trash: trash === true ? {} : trash,
    catchUp: typeof catchUp === 'string' ? { slots: catchUp } : catchUp,
    watch: watch === true ? {} : watch,
    bandwidth: typeof bandwidth === 'string' ? { rate: bandwidth, windows: [] } : bandwidth,
  };
  const given = Object.entries(long).filter(([, value]) => value !== undefined);
  return { ...rest, ...Object.fromEntries(given) } as JobRules;
}

function isShare(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}

/** The keys of a remote with their short forms expanded. */
export type RemoteKeys = Omit<RawRemote, 'auth'> & { auth?: AuthKeys };

type RawAuth = Exclude<RawRemote['auth'], string | undefined>;
type AuthKeys = Omit<RawAuth, 'password' | 'passphrase'> & {
  password?: SecretText;
  passphrase?: SecretText;
};

/** A remote's keys laid over the defaults. A key that is switched off is absent, so that its built-in default applies. */
export function mergeRemote(
  under: WithOff<RawRemoteDefaults>,
  over: WithOff<RawRemote>,
): RemoteKeys {
  const merged = merge(expandAuth(under), expandAuth(over)) as PlainMap;
  return withoutOff(merged) as RemoteKeys;
}

function expandAuth(raw: PlainMap): PlainMap {
  return typeof raw.auth === 'string' ? { ...raw, auth: { key: raw.auth } } : raw;
}

/** Keys whose maps are not merged: one replaces the other. */
const whole: ReadonlySet<string> = new Set(['after', 'auth', 'modes', 'bandwidth']);

/** One set of job keys laid over another: maps merge, everything else replaces. */
export function mergeRules(under: JobRules, over: JobRules): JobRules {
  return merge(under, over) as JobRules;
}

function merge(under: unknown, over: unknown): unknown {
  if (!isMap(under) || !isMap(over)) return over;
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const joins = Object.hasOwn(merged, key) && !whole.has(key);
    merged[key] = joins ? merge(merged[key], value) : value;
  }
  return merged;
}
