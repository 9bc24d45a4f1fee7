/** The verbs that talk to the running daemon, and their flags; as in program.ts, their code is loaded when it is called. */
import type { Command } from 'commander';
import type { Wrap } from './context.js';
import { wholeNumber } from './flags.js';
import type { EnqueueFlags } from './verbs/enqueue.js';
import type { LogsFlags } from './verbs/logs.js';
import type { RunsFlags } from './verbs/runs.js';
import type { StartFlags } from './verbs/start.js';

const waitFlag = ['--wait', "wait for its end, and exit with the run's code"] as const;

export function addDaemonVerbs(program: Command, wrap: Wrap): void {
  program.commandsGroup('The daemon:');
  program
    .command('start')
    .description('run jobs by their schedules and watches, and those that are enqueued')
    .option('--roles <roles>', 'only some of scheduler,watcher,worker,api')
    .option(
      '--worker <name>',
      'also take jobs that ask for this worker; repeatable',
      (name: string, names: readonly string[] = []) => [...names, name],
    )
    .option(
      '--concurrency <number>',
      'runs at once (default: 8)',
      wholeNumber('--concurrency', 1, 100),
    )
    .option('--wait-queue <time>', 'how long to wait for the queue at the start (default: 60s)')
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
    .description('list runs and skipped slots, the newest first')
    .option('--limit <number>', 'so many at most', wholeNumber('--limit', 1, 10_000))
    .action(
      wrap(async (context, flags: RunsFlags, job: string | undefined) => {
        const { runs } = await import('./verbs/runs.js');
        return runs(job, flags, context);
      }),
    );
  program
    .command('logs')
    .argument('<run>')
    .description('print what a run tells')
    .option('-f, --follow', 'go on until the run ends')
    .action(
      wrap(async (context, flags: LogsFlags, run: string) => {
        const { logs } = await import('./verbs/logs.js');
        return logs(run, flags, context);
      }),
    );
  program
    .command('enqueue')
    .argument('<job...>')
    .description('have the daemon run jobs')
    .option(...waitFlag)
    .action(
      wrap(async (context, flags: EnqueueFlags, jobs: string[]) => {
        const { enqueue } = await import('./verbs/enqueue.js');
        return enqueue(jobs, flags, context);
      }),
    );
  program
    .command('retry')
    .argument('<run>')
    .description('have the daemon do a run again, as a new one')
    .option(...waitFlag)
    .action(
      wrap(async (context, flags: EnqueueFlags, run: string) => {
        const { retry } = await import('./verbs/retry.js');
        return retry(run, flags, context);
      }),
    );
  program
    .command('cancel')
    .argument('<run>')
    .description('stop a run at a safe point, or take it out of the queue')
    .action(
      wrap(async (context, _flags, run: string) =>
        (await import('./verbs/cancel.js')).cancel(run, context),
      ),
    );
  program
    .command('pause')
    .argument('<job>')
    .description('let no run of a job start')
    .action(
      wrap(async (context, _flags, job: string) =>
        (await import('./verbs/pause.js')).pause(job, context),
      ),
    );
  program
    .command('resume')
    .argument('<job>')
    .description("let a paused job's runs start again")
    .action(
      wrap(async (context, _flags, job: string) =>
        (await import('./verbs/resume.js')).resume(job, context),
      ),
    );
}
