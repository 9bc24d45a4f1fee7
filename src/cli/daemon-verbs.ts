/** The verbs for the daemon and their flags. As in program.ts, the code of a verb is loaded when it is called. */
import type { Command } from 'commander';
import type { Wrap } from './context.js';
import { allFlag, jobsArgument, wholeNumber } from './flags.js';
import type { EnqueueFlags } from './verbs/enqueue.js';
import type { LogsFlags } from './verbs/logs.js';
import type { RunsFlags } from './verbs/runs.js';
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
    .command('runs')
    .argument('[job]')
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
  program
    .command('pause')
    .argument('<job>')
    .description('keep runs of a job from starting')
    .action(
      wrap(async (context, _flags, job: string) =>
        (await import('./verbs/pause.js')).pause(job, context),
      ),
    );
  program
    .command('resume')
    .argument('<job>')
    .description('let runs of a paused job start again')
    .action(
      wrap(async (context, _flags, job: string) =>
        (await import('./verbs/resume.js')).resume(job, context),
      ),
    );
}
