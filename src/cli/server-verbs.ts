/** The verbs that name a server on the command line. The code of each is loaded when it is called. */
import type { Command } from 'commander';
import { present } from '../core/present.js';
import type { Wrap } from './context.js';
import { type AdHocFlags, addHostFlags, addRuleFlags, addRunFlags, wholeNumber } from './flags.js';
import type { DoctorFlags } from './verbs/doctor.js';
import type { InitFlags } from './verbs/init.js';
import type { LsFlags } from './verbs/ls.js';

const oneFileText = `
FROM's contents go into the folder TO, which is made if it is missing. If FROM is one file, TO is
its new name, as with scp; it goes into TO if that is a folder or ends in a slash.`;

/** Adds the verbs that need no jobs.yml. */
export function addServerVerbs(program: Command, wrap: Wrap): void {
  program.commandsGroup('Without jobs.yml:');
  const verbs = {
    push: 'copy a local folder or file to a server',
    pull: 'copy a folder or file from a server',
    mirror: 'make TO equal to FROM: copy, and delete what FROM lacks',
  } as const;
  for (const [verb, description] of Object.entries(verbs)) {
    const command = program
      .command(verb)
      .argument('<from>')
      .argument(
        '<to>',
        'a local path, [user@]host:path, sftp://[user@]host[:port]/path, or REMOTE:path',
      )
      .description(description);
    if (verb !== 'mirror') command.addHelpText('after', oneFileText);
    addRuleFlags(addRunFlags(addHostFlags(command))).action(
      wrap(async (context, flags: AdHocFlags, from: string, to: string) => {
        const { adHoc } = await import('./verbs/ad-hoc.js');
        return adHoc(verb as keyof typeof verbs, from, to, flags, context);
      }),
    );
  }
  addHostFlags(
    program
      .command('ls')
      .argument('<place>', 'REMOTE:path, [user@]host:path or sftp://[user@]host[:port]/path')
      .description('list a folder on a server'),
  )
    .option('-l, --long', 'with mode, size and time of the last change')
    .option('-R, --recursive', 'with everything below it')
    .action(
      wrap(async (context, flags: LsFlags, place: string) => {
        const { ls } = await import('./verbs/ls.js');
        return ls(place, flags, context);
      }),
    );
}

/** Adds `doctor`, which says that it is of this version. */
export function addDoctor(program: Command, wrap: Wrap, version: string): void {
  addHostFlags(
    program
      .command('doctor')
      .argument(
        '[place]',
        'a remote or group of jobs.yml, a host, or HOST:path; default: all remotes',
      )
      .description('examine servers and this machine, stage by stage'),
  )
    .option(
      '--write',
      'also with probe files on the server, and for a second each way at full speed',
    )
    .option('--report <file>', 'write what a bug report needs, without secrets')
    .action(
      wrap(async (context, flags: DoctorFlags, place: string | undefined) => {
        const { doctor } = await import('./verbs/doctor.js');
        return doctor(place, flags, context, version);
      }),
    );
}

/** Adds `init`. */
export function addInit(program: Command, wrap: Wrap): void {
  program
    .command('init')
    .description('write a first jobs.yml: asks, and tries each answer on the server')
    .option('--host <host>', 'the server: a name, an address, or a Host of ~/.ssh/config')
    .option('--user <name>', 'the user there')
    .option('-P, --port <port>', 'its port', wholeNumber('-P', 1, 65_535))
    .option('-i, --key <file>', 'private key file, or `agent`')
    .option('--password-file <file>', 'a file that holds the password')
    .option('--host-key <SHA256:...>', 'trust only the host key with this fingerprint')
    .option('--operation <what>', 'push, pull or mirror (default: push)')
    .option('--from <folder>', 'where files come from')
    .option('--to <folder>', 'where they go')
    .option('--schedule <cron>', 'when to run the job, such as "0 2 * * *", or never')
    .option('--from-rclone [file]', 'take over the sftp remotes of an rclone.conf')
    .action(
      wrap(async (context, flags: InitFlags) => {
        const { init } = await import('./verbs/init.js');
        return init(ownFlags(flags), context);
      }),
    );
}

/** The command's own flags: commander adds those of every verb. */
function ownFlags(flags: InitFlags): InitFlags {
  const { host, user, port, key, passwordFile, hostKey } = flags;
  const { operation, from, to, schedule, fromRclone } = flags;
  return present({
    ...{ host, user, port, key, passwordFile, hostKey },
    ...{ operation, from, to, schedule, fromRclone },
  });
}
