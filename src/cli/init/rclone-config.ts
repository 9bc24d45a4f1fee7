/** Reads the sftp remotes of an rclone.conf. Pure. */
import { namePattern } from '../../core/job.js';
import { escapeText } from '../../core/text.js';
import type { FirstRemote } from './first-config.js';

export interface RcloneRemotes {
  readonly remotes: readonly FirstRemote[];
  /** Sentences about what was not taken over. */
  readonly notes: readonly string[];
}

export interface RcloneContext {
  /** The user where a remote names none. */
  readonly username: string;
}

/** The sections of an INI file, as rclone writes it. */
function sectionsOf(text: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  for (const line of text.split(/\r?\n/)) {
    const head = /^\s*\[(.+)\]\s*$/.exec(line)?.[1];
    if (head !== undefined) {
      section = new Map();
      sections.set(head, section);
      continue;
    }
    const [, key, value] = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (section !== undefined && key !== undefined) section.set(key, value ?? '');
  }
  return sections;
}

/** Secrets are never taken: rclone only obscures them, so anyone who reads them knows them. */
export function rcloneRemotes(text: string, { username }: RcloneContext): RcloneRemotes {
  const remotes: FirstRemote[] = [];
  const notes: string[] = [];
  if (/^RCLONE_ENCRYPT_V\d/m.test(text))
    return {
      remotes,
      notes: ['the file is encrypted: `rclone config encryption remove` writes it in the clear'],
    };
  const taken = new Set<string>();
  for (const [title, settings] of sectionsOf(text)) {
    const type = settings.get('type');
    if (type !== 'sftp') {
      notes.push(
        `${escapeText(title)} is of type ${escapeText(type ?? 'none')}, not sftp: left out`,
      );
      continue;
    }
    const host = settings.get('host');
    if (host === undefined || host === '') {
      notes.push(`${escapeText(title)} names no host: left out`);
      continue;
    }
    const name = nameFor(title, taken);
    taken.add(name);
    if (name !== title) notes.push(`${escapeText(title)} is called ${name}`);
    remotes.push(remoteFrom(name, host, settings, username));
    notes.push(...unsupported(name, settings));
  }
  return { remotes, notes };
}

function remoteFrom(
  name: string,
  host: string,
  settings: ReadonlyMap<string, string>,
  username: string,
): FirstRemote {
  const key = settings.get('key_file');
  const hasPassword = (settings.get('pass') ?? '') !== '';
  const hasPassphrase = (settings.get('key_file_pass') ?? '') !== '';
  const notes = [
    ...(hasPassword
      ? [`its password: put it into the file below (chmod 600); \`rclone reveal\` shows rclone's`]
      : []),
    ...(hasPassphrase
      ? [
          'its key has a passphrase: add the key to an agent, or write auth: { key, passphrase: "${file:…}" }',
        ]
      : []),
  ];
  return {
    name,
    host,
    port: portOf(settings.get('port')),
    username: settings.get('user') || username,
    keys: key === undefined || key === '' ? [] : [key],
    ...(hasPassword && !key ? { password: `\${file:./${name}.password}` } : {}),
    usesAgent: settings.get('key_use_agent') === 'true',
    hostKey: [],
    notes,
  };
}

function portOf(text: string | undefined): number {
  const port = Number(text);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : 22;
}

/** Settings that change what rclone does, and have another form here, or none. */
function unsupported(name: string, settings: ReadonlyMap<string, string>): string[] {
  const advice: Readonly<Record<string, string>> = {
    ssh: 'set `transport: openssh` of the remote',
    key_pem: 'write the key into a file of mode 600, and name it in `auth`',
    pubkey_file: 'use `transport: openssh`, which knows user certificates',
    known_hosts_file: 'set `knownHosts` of the remote',
    socks_proxy: 'use `transport: openssh` with a ProxyCommand',
    http_proxy: 'use `transport: openssh` with a ProxyCommand',
    server_command: 'use `transport: openssh`',
  };
  return Object.entries(advice)
    .filter(([key]) => (settings.get(key) ?? '') !== '')
    .map(([key, what]) => `${name}: ${key} is not taken over: ${what}`);
}

/** A name that jobs.yml takes, and no other remote has. */
function nameFor(title: string, taken: ReadonlySet<string>): string {
  const words = title.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z]+|-+$/g, '');
  const base = namePattern.test(words)
    ? words
    : `remote${words === '' ? '' : `-${words}`}`.slice(0, 60);
  let name = base;
  for (let n = 2; taken.has(name); n++) name = `${base}-${n}`;
  return name;
}
