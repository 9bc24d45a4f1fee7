import { expect, test } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import type { Job } from '../../../src/core/job.js';
import { reportOfNoStart } from '../../../src/workers/run/report.js';

test('a run that could not begin is reported with its reason and exit code', () => {
  const job = { name: 'nightly', operation: 'mirror' } as Job;
  const error = new FerryError('busy', 'job nightly runs already, in process 7', { hint: 'wait' });
  const request = { run: 'r', trigger: 'manual', attempt: 1 } as const;
  expect(reportOfNoStart(job, request, error, new Date())).toMatchObject({
    job: 'nightly',
    outcome: 'failed',
    exitCode: 8,
    error: { kind: 'busy', message: 'job nightly runs already, in process 7', hint: 'wait' },
  });
});
