/** `ferryline validate`: checks jobs.yml without connecting to any server. */
import { count, escapeText } from '../../core/text.js';
import { readConfig, showWarnings } from '../config-file.js';
import type { Context } from '../context.js';
import { neverRuns } from '../never-runs.js';

export async function validate(context: Context): Promise<number> {
  const { output } = context;
  const { file, jobs, remotes, warnings } = await readConfig(context);
  const more = neverRuns(jobs.values(), Date.now());
  showWarnings(more, output);
  if (output.json) {
    output.record({
      event: 'validate',
      time: new Date().toISOString(),
      file,
      jobs: [...jobs.keys()],
      remotes: [...remotes.keys()],
      warnings: [...warnings, ...more].map((message) => ({ message })),
    });
    return 0;
  }
  output.note(escapeText(file));
  output.data(`ok: ${count(jobs.size, 'job')}, ${count(remotes.size, 'remote')}`);
  return 0;
}
