/** The name of everything in the state folder. What a file holds, and how it is read and written, is up to its users. */
import { join } from 'node:path';

export interface StateEntry {
  /** The path below the state folder. A word in capitals is any name; a path that ends in `/` includes all below it. */
  readonly path: string;
  readonly holds: string;
  readonly writtenBy: string;
}

/** All that may be in a state folder, as the table in docs/running.md shows it. */
export const stateEntries: readonly StateEntry[] = [
  {
    path: 'state.json',
    holds: 'which jobs.yml the folder belongs to, and the version of its format',
    writtenBy: 'the first run or daemon that uses the folder',
  },
  {
    path: 'installation',
    holds: 'a random id, part of the names of temporary files',
    writtenBy: 'the first run that uses the folder',
  },
  {
    path: 'queue-installation',
    holds: 'the same of the queue, if that is a Redis or Postgres, and where that is',
    writtenBy: 'the daemon; runs by hand',
  },
  {
    path: 'runs/JOB/RUN.json',
    holds: 'the report of a run',
    writtenBy: 'the process that ran it; each `api` and `scheduler`',
  },
  {
    path: 'runs/JOB/RUN.idle.json',
    holds: 'the same, of a run that changed nothing',
    writtenBy: 'as above',
  },
  {
    path: 'runs.index',
    holds: 'a line of JSON for each report; may be deleted: the daemon makes it again',
    writtenBy: 'the daemon; runs add lines',
  },
  {
    path: 'logs/RUN.ndjson',
    holds: 'the log of a run, which `ferryline logs` prints',
    writtenBy: 'the worker that carried it out',
  },
  {
    path: 'hooks/JOB/RUN.ndjson',
    holds: 'the files of a run, for the hooks after it; gone when they have ended',
    writtenBy: 'runs of jobs with `hooks`',
  },
  {
    path: 'plans/RUN.ndjson',
    holds: 'what a run planned, if there was anything to do: the first of each kind',
    writtenBy: 'the worker that carried it out',
  },
  {
    path: 'transfers.log',
    holds: 'a line of JSON for each file that a run changed or failed at',
    writtenBy: 'the workers of the daemon',
  },
  {
    path: 'transfers.log.N',
    holds: 'older lines; `transfers.log.1` is the newest of five',
    writtenBy: 'the workers of the daemon',
  },
  {
    path: 'doubts/HASH.ndjson',
    holds: 'copies of a job that size and time can’t yet prove right',
    writtenBy: 'runs',
  },
  {
    path: 'stored-times/HASH.ndjson',
    holds: 'files of a job whose mtime was stored otherwise than it was sent',
    writtenBy: 'runs',
  },
  {
    path: 'origins/HASH.ndjson',
    holds: 'from which file of the source each file was copied (`renames: follow`)',
    writtenBy: 'runs',
  },
  {
    path: 'servers/HOST_PORT_USER.json',
    holds: 'what runs found out about a server: its times, which names are one',
    writtenBy: 'runs',
  },
  {
    path: 'servers/here.json',
    holds: 'the same about file systems of this machine',
    writtenBy: 'runs',
  },
  {
    path: 'servers/HOST_PORT_USER.quirks.json',
    holds: 'what a server was seen to do otherwise than it says, how often',
    writtenBy: 'runs',
  },
  {
    path: 'leftovers/HASH.json',
    holds: 'temporary files of others at a job’s destination: size, since when',
    writtenBy: 'runs',
  },
  {
    path: 'mirrored/HASH.json',
    holds: 'that a mirror once succeeded, and who has the mark of it',
    writtenBy: 'runs',
  },
  {
    path: 'locks/HASH/N',
    holds: 'the lock of a job or of the daemon: a socket its holder listens on',
    writtenBy: 'runs; the daemon',
  },
  {
    path: 'queue/',
    holds: 'the database of `queue: embedded`',
    writtenBy: 'the daemon',
  },
  {
    path: 'paused.json',
    holds: 'the pauses: of what, since when, by whom, until when, why',
    writtenBy: 'the daemon',
  },
  {
    path: 'slots.json',
    holds: 'up to which moment each schedule has been served',
    writtenBy: 'the `scheduler`',
  },
  {
    path: 'audit.log',
    holds: 'a line of JSON for each action that somebody asked of the daemon',
    writtenBy: 'the daemon',
  },
  {
    path: 'audit.log.N',
    holds: 'older lines; `audit.log.1` is the newest of five',
    writtenBy: 'the daemon',
  },
  {
    path: 'requests.json',
    holds: 'the runs that requests with an `Idempotency-Key` made, for 24 h',
    writtenBy: 'the daemon',
  },
  {
    path: 'sessions.json',
    holds: 'who is logged in on the page, as hashes',
    writtenBy: 'the daemon',
  },
  {
    path: 'open.html',
    holds: 'where `ferryline open` sends the browser; removed after at most 10 s',
    writtenBy: '`ferryline open`',
  },
  {
    path: 'control.sock',
    holds: 'the socket on which the daemon answers commands',
    writtenBy: 'the daemon',
  },
  {
    path: 'ad-hoc/',
    holds: 'the state folder of `push`, `pull` and `mirror` without jobs.yml',
    writtenBy: 'those commands',
  },
  {
    path: 'FILE.damaged-TIME',
    holds:
      'a `paused.json`, `slots.json`, `requests.json` or `sessions.json` that could not be read',
    writtenBy: 'the daemon',
  },
  {
    path: '.NAME.new',
    holds: 'beside a file: what is about to replace it',
    writtenBy: 'the process that writes the file',
  },
];

/** What it holds is record.ts. */
export function recordFile(state: string): string {
  return join(state, 'state.json');
}

export function installationFile(state: string): string {
  return join(state, 'installation');
}

export function queueInstallationFile(state: string): string {
  return join(state, 'queue-installation');
}

/** Below a folder that the environment names, so that ad hoc runs never mix with those of a jobs.yml. */
export function adHocFolder(state: string): string {
  return join(state, 'ad-hoc');
}

/** One folder for each job that ever ran. */
export function reportsFolder(state: string): string {
  return join(state, 'runs');
}

export function jobReportsFolder(state: string, job: string): string {
  return join(state, 'runs', job);
}

export function reportFile(state: string, job: string, run: string): string {
  return join(state, 'runs', job, `${run}.json`);
}

/** The report of a run that changed nothing: known as one without being read. */
export function idleReportFile(state: string, job: string, run: string): string {
  return join(state, 'runs', job, `${run}.idle.json`);
}

/** What the reports say in short; index-file.ts has its rules. */
export function indexFile(state: string): string {
  return join(state, 'runs.index');
}

/** The logs of all runs. */
export function runLogsFolder(state: string): string {
  return join(state, 'logs');
}

export function runLogFile(state: string, run: string): string {
  return join(state, 'logs', `${run}.ndjson`);
}

export function planFile(state: string, run: string): string {
  return join(state, 'plans', `${run}.ndjson`);
}

/** The files of a run, as its hooks are given them. */
export function hookListPath(state: string, job: string, run: string): string {
  return join(state, 'hooks', job, `${run}.ndjson`);
}

/** Older files are beside it, as `transfers.log.1` and up. */
export function transferLogFile(state: string): string {
  return join(state, 'transfers.log');
}

export function doubtsFolder(state: string): string {
  return join(state, 'doubts');
}

/** `job`: a hash of the job's name. */
export function doubtsFile(state: string, job: string): string {
  return join(state, 'doubts', `${job}.ndjson`);
}

/** `job`: a hash of the job's name. */
export function storedTimesFile(state: string, job: string): string {
  return join(state, 'stored-times', `${job}.ndjson`);
}

/** `job`: a hash of the job's name. */
export function originsFile(state: string, job: string): string {
  return join(state, 'origins', `${job}.ndjson`);
}

/** `job`: a hash of the job's name. */
export function leftoversFile(state: string, job: string): string {
  return join(state, 'leftovers', `${job}.json`);
}

export function serverFactsFolder(state: string): string {
  return join(state, 'servers');
}

export function serverFactsFile(
  state: string,
  server: { readonly host: string; readonly port: number; readonly username: string },
): string {
  const name = `${server.host}_${server.port}_${server.username}.json`;
  return join(state, 'servers', name.replace(/\//g, '_'));
}

/** The same of this machine; no server's file has a name without `_`. */
export function localFactsFile(state: string): string {
  return join(state, 'servers', 'here.json');
}

export function serverQuirksFile(
  state: string,
  server: { readonly host: string; readonly port: number; readonly username: string },
): string {
  return serverFactsFile(state, server).replace(/json$/, 'quirks.json');
}

/** One folder for each lock that was ever held. */
export function locksFolder(state: string): string {
  return join(state, 'locks');
}

/** `mirror`: a hash of the job and its destination. */
export function mirroredFile(state: string, mirror: string): string {
  return join(state, 'mirrored', `${mirror}.json`);
}

/** `lock`: a hash of what is locked. */
export function lockFolder(state: string, lock: string): string {
  return join(state, 'locks', lock);
}

/** The folder of the embedded queue; what is in it is queue/store/embedded.ts. */
export function queueFolder(state: string): string {
  return join(state, 'queue');
}

export function pausesFile(state: string): string {
  return join(state, 'paused.json');
}

/** What it holds is server/api/request-keys.ts. */
export function requestKeysFile(state: string): string {
  return join(state, 'requests.json');
}

/** What it holds is server/api/sessions.ts. */
export function sessionsFile(state: string): string {
  return join(state, 'sessions.json');
}

/** A file that only its owner reads: what it names opens the page once. */
export function openFile(state: string): string {
  return join(state, 'open.html');
}

/** What it holds is observe/audit-log.ts. */
export function auditLogFile(state: string): string {
  return join(state, 'audit.log');
}

export function handledSlotsFile(state: string): string {
  return join(state, 'slots.json');
}

export function controlSocket(state: string): string {
  return join(state, 'control.sock');
}

/** The folder in which the control socket is made before it is moved to its name. */
export function newControlSocketFolder(state: string): string {
  return join(state, '.control.new');
}
