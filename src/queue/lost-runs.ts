/**
 * Whether a run that the store lost has ended all the same: only the process that carried it out has
 * its report, so that each known one is asked.
 */
import { randomUUID } from 'node:crypto';
import { cutReport } from '../core/cut-report.js';
import type { Report } from '../core/events.js';
import { present } from '../core/present.js';
import type { Signals } from './signals.js';
import type { Workers } from './workers.js';

export interface LostRunsParts {
  readonly signals: Pick<Signals, 'send' | 'on'>;
  readonly workers: Pick<Workers, 'id' | 'heardOf'>;
  /** The report of a run here that no further attempt follows. */
  readonly reportOf: (run: string) => Promise<Report | undefined>;
  readonly onError: (error: Error) => void;
}

export interface LostRuns {
  /**
   * The report of a run, wherever it is. `none`: no process has one; `unsure`: one of those known has not
   * answered. Errors: `network`.
   */
  ask(run: string): Promise<Report | 'none' | 'unsure'>;
}

/** A process that has not answered by then is stopped, out of reach, or of a version that does not answer. */
const answerWithinMs = 2000;
interface Question {
  readonly silent: Set<string>;
  readonly end: (report: Report | 'none' | 'unsure') => void;
}

/** Answers the other processes' questions from now on. */
export function openLostRuns({ signals, workers, reportOf, onError }: LostRunsParts): LostRuns {
  const questions = new Map<string, Question>();
  const answer = async (question: string, run: string) => {
    const report = await reportOf(run);
    const text = report && JSON.stringify(cutReport(report));
    await signals.send('answer', { question, worker: workers.id, ...present({ report: text }) });
  };
  signals.on('asked', ({ question, run }, isOurs) => {
    if (!isOurs) void answer(question, run).catch(onError);
  });
  signals.on('answer', ({ question, worker, report }) => {
    const asked = questions.get(question);
    if (report !== undefined) asked?.end(JSON.parse(report));
    asked?.silent.delete(worker);
    if (asked?.silent.size === 0) asked.end('none');
  });
  return {
    async ask(run) {
      const own = await reportOf(run);
      if (own !== undefined) return own;
      const silent = new Set(await workers.heardOf());
      if (silent.size === 0) return 'none';
      const question = randomUUID();
      const answered = new Promise<Report | 'none' | 'unsure'>((end) => {
        questions.set(question, { silent, end });
      });
      const late = setTimeout(() => questions.get(question)?.end('unsure'), answerWithinMs);
      try {
        await signals.send('asked', { question, run });
        return await answered;
      } finally {
        clearTimeout(late);
        questions.delete(question);
      }
    },
  };
}
