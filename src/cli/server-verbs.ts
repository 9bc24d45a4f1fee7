/** The verbs that name a server on the command line. The code of each is loaded when it is called. */
import type { Command } from 'commander';
import type { Wrap } from './context.js';
import { type AdHocFlags, addHostFlags, addRuleFlags, addRunFlags } from './flags.js';
import type { DoctorFlags } from './verbs/doctor.js';
import type { LsFlags } from './verbs/ls.js';

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
