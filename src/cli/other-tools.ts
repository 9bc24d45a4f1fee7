/** The verbs and flags of rsync, rclone, lftp and earlier drafts, each with ferryline's word for it. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { FerryError } from '../core/errors.js';

/** Each verb with the command to use. */
export const otherVerbs: Readonly<Record<string, string>> = {
  retry: 'rerun RUN',
  sync: 'mirror FROM TO',
  copy: 'push FROM TO',
  copyto: 'push FROM TO',
  put: 'push FROM TO',
  get: 'pull FROM TO',
  move: 'push FROM TO --after delete',
  moveto: 'push FROM TO --after delete',
  lsf: 'ls REMOTE:path',
  lsl: 'ls -l REMOTE:path',
  lsd: 'ls -l REMOTE:path',
  lsjson: 'ls --json REMOTE:path',
  dir: 'ls REMOTE:path',
  config: 'init',
  diff: 'plan JOB',
  verify: 'check JOB',
  test: 'validate',
  history: 'runs JOB',
  log: 'logs RUN',
  daemon: 'start',
  serve: 'start',
  stop: 'cancel RUN',
};

/** Each flag with what to do instead. */
const otherFlags: Readonly<Record<string, string>> = {
  '--keep <value>': 'use --trash-keep instead',
  '--require <value>': 'use --delete-require instead',
  '--retries <number>': 'use --attempts, which includes the first one, instead',
  '--backup-dir <value>': 'use --trash-dir instead',
  '-b, --backup': 'use --trash instead',
  '--ignore-existing': 'use --existing skip instead',
  '--update': 'use --existing newer instead',
  '--only-newer': 'use --existing newer instead',
  '--checksum': 'use --compare checksum instead',
  '--size-only': 'use --compare size instead',
  '--transfers <value>': 'set maxFiles of the remote instead',
  '--checkers <value>':
    'leave it out: folders are listed with as many requests at once as the server takes',
  '--parallel [value]': 'set maxFiles of the remote instead',
  '--use-pget-n [value]': 'leave it out: a large file fills the line by itself',
  '--chmod <value>': 'use --modes instead',
  '--delete':
    'use `ferryline mirror`, which deletes what FROM lacks, instead; push and pull never delete',
  '--delete-after': 'use `ferryline mirror` instead: it deletes once everything is copied',
  '--delete-during': 'use `ferryline mirror` instead: it deletes once everything is copied',
  '--delete-before': 'use `ferryline mirror` instead: it deletes once everything is copied',
  '--delete-excluded': 'remove those files by hand instead: what is excluded is never touched',
  '--remove-source-files': 'use --after delete instead',
  '--exclude-from <file>':
    'write the patterns into a file in the source, and name it with --ignore-file, instead',
  '--include-from <file>': 'repeat --include instead',
  '--files-from <file>': 'repeat --include instead',
  '--filter <rule>': 'use --include and --exclude instead',
  '-a, --archive': 'leave it out: folders, times and modes are always kept; owners never are',
  '-r, --recursive': 'leave it out: folders are copied with all that is in them',
  '-p, --preserve': 'leave it out: times and modes are kept',
  '-t, --times': 'leave it out: times are kept',
  '-z, --compress': 'leave it out: it does not compress',
  '-l, --links': 'use --symlinks preserve instead',
  '-L, --copy-links': 'use --symlinks follow instead',
  '--partial': 'leave it out: what was interrupted is always gone on with',
  '--inplace':
    'leave it out: a file is always written beside the old one, and takes its name when it is complete',
  '--progress': 'leave it out: a terminal shows progress',
  '-e, --rsh <command>': 'use -i KEY and -P PORT instead, or `transport: openssh` of a remote',
};

/** Makes a command answer the flags of other tools. Those that it has itself stay its own. */
export function answerOtherFlags(command: Command): void {
  for (const [flags, advice] of Object.entries(otherFlags)) {
    const option = new Option(flags).hideHelp();
    const own = command.options.find(({ long }) => long === option.long);
    if (own !== undefined) continue;
    // a short form that means something here keeps its meaning
    const isTaken = command.options.some(
      ({ short }) => short !== undefined && short === option.short,
    );
    command.addOption(isTaken ? new Option(flags.replace(/^-\w, /, '')).hideHelp() : option);
    command.on(`option:${option.name()}`, () => {
      throw noSuchFlag(option.long ?? flags, advice);
    });
  }
}

function noSuchFlag(flag: string, advice: string): FerryError {
  return new FerryError('config', `there is no ${flag}; ${advice}`);
}
