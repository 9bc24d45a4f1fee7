/** The text of a first jobs.yml. Pure. */
import { stringify } from 'yaml';
import type { Operation } from '../../core/events.js';

/** How a remote logs in: by key files, by a password that is kept elsewhere, or by what an agent has. */
export interface FirstRemote {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly keys: readonly string[];
  /** `${file:…}` or `${NAME}`: never the password itself. */
  readonly password?: string;
  readonly usesAgent: boolean;
  /** Pinned keys, `SHA256:…`; empty: known_hosts decides. */
  readonly hostKey: readonly string[];
  /** Sentences for the person who reads the file. */
  readonly notes?: readonly string[];
}

export interface FirstJob {
  readonly name: string;
  readonly operation: Operation;
  readonly from: string;
  readonly to: string;
  readonly schedule: string | undefined;
}

/** The file that is written where nothing was answered: the first job of README.md, with room for what comes next. */
export const template = `remotes:
  archive:
    host: backup.example
    username: backup
    root: /srv/backup            # must exist there; left out: the login folder
    # hostKey: SHA256:…          # shown by \`ferryline trust archive\`

jobs:
  nightly:
    operation: mirror            # push | pull | mirror
    from: ./data
    to: archive:data             # below the root
    trash: true                  # keeps what is deleted or overwritten for 30 days
    # schedule: "0 2 * * *"      # for \`ferryline start\`
`;

/** `schema`: the file of the JSON schema, for editors; undefined where none was installed. */
export function firstConfig(
  remotes: readonly FirstRemote[],
  jobs: readonly FirstJob[],
  schema: string | undefined,
): string {
  const lines = [
    schema === undefined
      ? '# `ferryline schema > jobs.schema.json` writes a schema for editors'
      : `# yaml-language-server: $schema=${schema}`,
    'remotes:',
  ];
  for (const remote of remotes) lines.push(...remoteLines(remote));
  lines.push('', 'jobs:');
  for (const job of jobs) lines.push(...jobLines(job));
  if (jobs.length === 0) lines.push(...exampleJob(remotes[0]?.name ?? 'archive'));
  return `${lines.join('\n')}\n`;
}

function remoteLines(remote: FirstRemote): string[] {
  const { name, host, port, username, hostKey, notes = [] } = remote;
  return [
    `  ${name}:`,
    ...notes.map((note) => `    # ${note}`),
    `    host: ${scalar(host)}`,
    ...(port === 22 ? [] : [`    port: ${port}`]),
    `    username: ${scalar(username)}`,
    ...authLines(remote),
    ...(hostKey.length === 0
      ? ['    # hostKey: SHA256:…          # pins the key; left out: ~/.ssh/known_hosts decides']
      : [`    hostKey: ${list(hostKey)}`]),
    '    # root: /srv/files           # what jobs may reach there; left out: the login folder',
  ];
}

function authLines({ keys, password, usesAgent }: FirstRemote): string[] {
  if (password !== undefined) return [`    auth: { password: ${JSON.stringify(password)} }`];
  if (keys.length > 0) return [`    auth: { key: ${list(keys)} }`];
  return usesAgent ? ['    auth: { agent: true }'] : [];
}

function jobLines({ name, operation, from, to, schedule }: FirstJob): string[] {
  const mirrors = operation === 'mirror';
  return [
    `  ${name}:`,
    `    operation: ${operation}            # ${mirrors ? 'deletes there what the source lacks' : 'push and pull never delete; mirror does'}`,
    `    from: ${scalar(from)}`,
    `    to: ${scalar(to)}`,
    '    trash: true                  # keeps what is deleted or overwritten for 30 days',
    schedule === undefined
      ? '    # schedule: "0 2 * * *"      # every night at two, for `ferryline start`'
      : `    schedule: ${JSON.stringify(schedule)}`,
    ...(mirrors
      ? ['    # delete: { max: 25% }       # a run that would delete more is refused']
      : []),
  ];
}

function exampleJob(remote: string): string[] {
  return [
    '  # nightly:',
    '  #   operation: mirror          # push | pull | mirror',
    '  #   from: ./data',
    `  #   to: ${remote}:data`,
    '  #   trash: true',
    '  #   schedule: "0 2 * * *"',
    '  {}',
  ];
}

function list(values: readonly string[]): string {
  const [only = ''] = values;
  return values.length === 1 ? scalar(only) : `[${values.map(scalar).join(', ')}]`;
}

/** A text as YAML writes it in one line. */
function scalar(text: string): string {
  // a variable's form is a literal dollar here
  const literal = text.replaceAll('${', '$${');
  return stringify(literal, { lineWidth: 0, defaultStringType: 'PLAIN' }).trimEnd().includes('\n')
    ? JSON.stringify(literal)
    : stringify(literal, { lineWidth: 0 }).trimEnd();
}
