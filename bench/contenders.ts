/** Who takes part: ferryline and its peers, each with the command line that a user would type. */
import { writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Case, ContenderName } from './cases.js';
import type { Server } from './server.js';

/** One transfer, the same for all: the contents of `from` become those of `to`, absolute paths. */
export interface Task {
  readonly up: boolean;
  readonly mirror: boolean;
  readonly from: string;
  readonly to: string;
  /** Holds what `writeSettings` wrote. */
  readonly settings: string;
}

export interface Contender {
  readonly name: ContenderName;
  /** For people: the command, or what is particular in it. */
  readonly title: string;
  /** The program, as packages.ts calls it, where it is not ours. */
  readonly program?: 'OpenSSH' | 'rsync' | 'rclone' | 'lftp';
  readonly command: (task: Task) => readonly string[];
}

export const main = join(import.meta.dirname, '../../dist/cli/main.js');
const ssh = (settings: string) => `ssh -F ${join(settings, 'ssh_config')}`;
const rclone = ({ up, mirror, from, to, settings }: Task) => [
  'rclone',
  mirror ? 'sync' : 'copy',
  '--config',
  join(settings, 'rclone.conf'),
  ...(up ? [from, `bench:${to}`] : [`bench:${from}`, to]),
];

const lftp =
  (flags: string) =>
  ({ up, from, to, settings }: Task) => [
    ...['lftp', '--norc', '-c'],
    [
      `set sftp:connect-program "ssh -a -x -F ${join(settings, 'ssh_config')}"`,
      'open sftp://bench',
      `mirror ${up ? '-R ' : ''}${flags} ${from} ${to}`,
    ].join('; '),
  ];

const ferryline = (config: string) => [
  ...[process.execPath, main],
  ...['--config', config, '--quiet', 'run', 'bench'],
];

export const contenders: readonly Contender[] = [
  {
    name: 'ferryline',
    title: 'ferryline',
    command: ({ settings }) => ferryline(join(settings, 'jobs.yml')),
  },
  {
    name: 'ferryline-openssh',
    title: 'ferryline, `transport: openssh`',
    command: ({ settings }) => ferryline(join(settings, 'openssh.yml')),
  },
  {
    name: 'sftp',
    title: 'sftp -b',
    program: 'OpenSSH',
    command: ({ settings }) => [
      ...['sftp', '-q', '-F', join(settings, 'ssh_config')],
      ...['-b', join(settings, 'sftp-batch'), 'bench'],
    ],
  },
  {
    name: 'rsync',
    title: 'rsync -a',
    program: 'rsync',
    command: ({ up, mirror, from, to, settings }) => [
      ...['rsync', '-a', ...(mirror ? ['--delete'] : []), '-e', ssh(settings)],
      ...(up ? [`${from}/`, `bench:${to}/`] : [`bench:${from}/`, `${to}/`]),
    ],
  },
  { name: 'rclone', title: 'rclone', program: 'rclone', command: rclone },
  {
    name: 'rclone-tuned',
    title: 'rclone --transfers 32 --checkers 32 --sftp-disable-hashcheck',
    program: 'rclone',
    command: (task) => [
      ...rclone(task),
      ...['--transfers', '32', '--checkers', '32', '--sftp-disable-hashcheck'],
    ],
  },
  {
    name: 'rclone-large',
    title: 'rclone --sftp-chunk-size 255k --sftp-concurrency 64 --sftp-disable-hashcheck',
    program: 'rclone',
    command: (task) => [
      ...rclone(task),
      ...['--sftp-chunk-size', '255k', '--sftp-concurrency', '64', '--sftp-disable-hashcheck'],
    ],
  },
  {
    name: 'rclone-renames',
    title: 'rclone --transfers 32 --checkers 32 --track-renames-strategy modtime,leaf',
    program: 'rclone',
    command: (task) => [
      ...rclone(task),
      ...['--transfers', '32', '--checkers', '32', '--sftp-disable-hashcheck'],
      ...['--track-renames', '--track-renames-strategy', 'modtime,leaf'],
    ],
  },
  {
    name: 'ferryline-resend',
    title: 'ferryline without `renames: follow`',
    command: ({ settings }) => [...ferryline(join(settings, 'resend.yml')), '--delete-max', '100%'],
  },
  { name: 'lftp', title: 'lftp mirror -P 16', program: 'lftp', command: lftp('-P 16') },
  {
    name: 'lftp-segments',
    title: 'lftp mirror --use-pget-n=8',
    program: 'lftp',
    command: lftp('--use-pget-n=8'),
  },
];

/** Writes each contender's settings for one case: the server behind `port`, its keys, the task. */
export function writeSettings(one: Case, task: Task, server: Server, port: number, root: string) {
  const { username } = userInfo();
  const { up, from, to } = task;
  const file = (name: string) => join(task.settings, name);
  const write = (name: string, ...lines: string[]) =>
    writeFileSync(file(name), `${lines.join('\n')}\n`);

  write('known_hosts', `[127.0.0.1]:${port} ${server.hostKey}`);
  write(
    'ssh_config',
    'Host bench',
    '  HostName 127.0.0.1',
    `  Port ${port}`,
    `  User ${username}`,
    `  IdentityFile ${server.keyFile}`,
    '  IdentitiesOnly yes',
    `  UserKnownHostsFile ${file('known_hosts')}`,
    '  StrictHostKeyChecking yes',
  );
  write('sftp-batch', `${up ? 'put' : 'get'} -pr ${from} ${to}`);
  write(
    'rclone.conf',
    '[bench]',
    'type = sftp',
    'host = 127.0.0.1',
    `port = ${port}`,
    `user = ${username}`,
    `key_file = ${server.keyFile}`,
    `known_hosts_file = ${file('known_hosts')}`,
  );
  const jobs = (name: string, remote: readonly string[], job: readonly string[] = one.job ?? []) =>
    write(
      name,
      'remotes:',
      '  server:',
      '    host: 127.0.0.1',
      `    port: ${port}`,
      `    username: ${username}`,
      `    auth: { key: ${server.keyFile} }`,
      `    knownHosts: ${file('known_hosts')}`,
      `    root: ${root}`,
      ...remote.map((key) => `    ${key}`),
      'jobs:',
      '  bench:',
      `    operation: ${one.operation}`,
      `    from: ${up ? from : `server:${from}`}`,
      `    to: ${up ? `server:${to}` : to}`,
      ...job.map((key) => `    ${key}`),
    );
  jobs('jobs.yml', []);
  jobs('openssh.yml', ['transport: openssh']);
  jobs('resend.yml', [], []);
}
