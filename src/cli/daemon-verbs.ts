/** The verbs for the daemon and their flags. As in program.ts, the code of a verb is loaded when it is called. */
import type { Command } from 'commander';
import type { Wrap } from './context.js';
import { allFlag, jobsArgument, wholeNumber } from './flags.js';
import type { EnqueueFlags } from './verbs/enqueue.js';
import type { LogsFlags } from './verbs/logs.js';
import type { NotifyFlags } from './verbs/notify.js';
import type { OpenFlags } from './verbs/open.js';
import type { PauseFlags } from './verbs/pause.js';
import type { ResumeFlags } from './verbs/resume.js';
import type { RunsFlags } from './verbs/runs.js';
import type { SilenceFlags } from './verbs/silence.js';
import type { StartFlags } from './verbs/start.js';

const waitFlag = ['--wait', 'wait until the run ends, and exit with its code'] as const;

export function addDaemonVerbs(program: Command, wrap: Wrap): void {
  program.commandsGroup('The daemon:');
  program
    .command('start')
    .description('run the daemon: schedules, watches and enqueued runs')
    .option('--roles <roles>', 'only these of scheduler,watcher,worker,api')
    .option(
      '--worker <name>',
      'also run jobs that name this worker; repeatable',
      (name: string, names: readonly string[] = []) => [...names, name],
    )
    .option(
      '--concurrency <number>',
      'most runs at the same time (default: 8)',
      wholeNumber('--concurrency', 1, 100),
    )
    .option('--wait-queue <time>', 'how long to wait for the queue at start-up (default: 60s)')
    .action(
      wrap(async (context, flags: StartFlags) => {
        const { start } = await import('./verbs/start.js');
        return start(flags, context, program.version() ?? '');
      }),
    );
  program
    .command('status')
    .description('show the daemon and its jobs')
    .action(wrap(async (context) => (await import('./verbs/status.js')).status(context)));
  program
    .command('open')
    .description('open the page of the daemon in a browser, without a token')
    .option('--print', 'only print the address, which works once and for 60 s')
    .action(
      wrap(async (context, flags: OpenFlags) =>
        (await import('./verbs/open.js')).open(flags, context),
      ),
    );
  program
    .command('runs')
    .argument('[job|run]', 'a job, or a run: its id, the beginning of one, or latest')
    .description('list runs and skipped slots, newest first')
    .option(
      '--limit <number>',
      'list at most this many (default: 20)',
      wholeNumber('--limit', 1, 10_000),
    )
    .option('--idle', 'list runs that changed nothing, too')
    .action(
      wrap(async (context, flags: RunsFlags, job: string | undefined) => {
        const { runs } = await import('./verbs/runs.js');
        return runs(job, flags, context);
      }),
    );
  program
    .command('logs')
    .argument('<run>')
    .description('print the log of a run')
    .option('-f, --follow', 'print new lines until the run ends')
    .action(
      wrap(async (context, flags: LogsFlags, run: string) => {
        const { logs } = await import('./verbs/logs.js');
        return logs(run, flags, context);
      }),
    );
  program
    .command('enqueue')
    .argument('[job...]', jobsArgument)
    .option(...allFlag)
    .description('have the daemon run jobs')
    .option(...waitFlag)
    .action(
      wrap(async (context, flags: EnqueueFlags, jobs: string[]) => {
        const { enqueue } = await import('./verbs/enqueue.js');
        return enqueue(jobs, flags, context);
      }),
    );
  program
    .command('rerun')
    .argument('<run>')
    .description('have the daemon repeat a run, as a new run')
    .option(...waitFlag)
    .action(
      wrap(async (context, flags: EnqueueFlags, run: string) => {
        const { rerun } = await import('./verbs/rerun.js');
        return rerun(run, flags, context);
      }),
    );
  program
    .command('cancel')
    .argument('<run>')
    .description('stop a run at a safe point, or remove it from the queue')
    .action(
      wrap(async (context, _flags, run: string) =>
        (await import('./verbs/cancel.js')).cancel(run, context),
      ),
    );
  addPauseVerbs(program, wrap);
  addIncidentVerbs(program, wrap);
}

function addIncidentVerbs(program: Command, wrap: Wrap): void {
  program
    .command('silence')
    .argument('[name]', 'a job, a remote, or all')
    .argument('[time]', 'such as 2h')
    .description('tell nobody about a job or a remote for a while')
    .option('--reason <text>', 'what is shown as the reason')
    .option('--list', 'list the silences that hold')
    .option('--end', 'end the silence of this name')
    .action(
      wrap(async (context, flags: SilenceFlags, name?: string, time?: string) => {
        const { silence } = await import('./verbs/silence.js');
        return silence(name, time, flags, context);
      }),
    );
  program
    .command('acknowledge')
    .argument('<incident>', 'its id, the beginning of one, or a job')
    .description('take care of an incident: nobody is reminded of it')
    .action(
      wrap(async (context, _flags, name: string) =>
        (await import('./verbs/acknowledge.js')).acknowledge(name, context),
      ),
    );
  program
    .command('notify')
    .argument('<channel>', 'of `notify` in jobs.yml')
    .description('try a channel')
    .option('--test', 'send a message that says that nothing is wrong')
    .action(
      wrap(async (context, flags: NotifyFlags, channel: string) => {
        const { notify } = await import('./verbs/notify.js');
        return notify(channel, flags, context);
      }),
    );
}

function addPauseVerbs(program: Command, wrap: Wrap): void {
  const collect = (name: string, names: readonly string[] = []) => [...names, name];
  program
    .command('pause')
    .argument('[job...]', "names, or globs such as 'web-*'")
    .description('keep runs from starting')
    .option('--remote <name>', 'of every job that uses this remote; repeatable', collect)
    .option('--all', 'of all jobs')
    .option('--for <time>', 'resume by itself after this time, such as 4h')
    .option('--until <time>', 'resume by itself at 08:00 or at 2026-12-01T08:00')
    .option('--reason <text>', 'what `status` shows as the reason')
    .action(
      wrap(async (context, flags: PauseFlags, jobs: string[]) => {
        const { pause } = await import('./verbs/pause.js');
        return pause(jobs, flags, context);
      }),
    );
  program
    .command('resume')
    .argument('[job...]', "names, or globs such as 'web-*'")
    .description('let paused runs start again')
    .option('--remote <name>', 'of every job that uses this remote; repeatable', collect)
    .option('--all', 'end the pause of all jobs; those of single jobs and remotes stay')
    .option('--catch-up', 'run each job whose slot was skipped meanwhile, once')
    .action(
      wrap(async (context, flags: ResumeFlags, jobs: string[]) => {
        const { resume } = await import('./verbs/resume.js');
        return resume(jobs, flags, context);
      }),
    );
}
