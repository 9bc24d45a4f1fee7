/** The metrics by name, as docs/metrics.md has them, and values in their text. */

/** The labels of each metric, without those of a histogram's parts. */
export const metricNames: Readonly<Record<string, readonly string[]>> = {
  ferryline_runs_total: ['job', 'outcome'],
  ferryline_transferred_bytes_total: ['job', 'direction'],
  ferryline_files_total: ['job', 'action'],
  ferryline_slots_missed_total: ['job'],
  ferryline_run_duration_seconds: ['operation', 'outcome'],
  ferryline_last_success_timestamp_seconds: ['job'],
  ferryline_next_slot_timestamp_seconds: ['job'],
  ferryline_last_run_seconds: ['job'],
  ferryline_stale_after_seconds: ['job'],
  ferryline_paused: ['job'],
  ferryline_incidents_open: ['job'],
  ferryline_queue_up: [],
  ferryline_queue_runs: ['state'],
  ferryline_workers: [],
  ferryline_remote_up: ['remote'],
  ferryline_logins: ['remote'],
  ferryline_viewers: [],
  ferryline_messages_total: ['channel', 'result'],
  ferryline_build_info: ['version', 'node'],
};

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

function samplesIn(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const found = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (found === null) return [];
    const [, name = '', inner = '', value] = found;
    const labels = [...inner.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, text]) => [key, text]);
    return [{ name, labels: Object.fromEntries(labels), value: Number(value) }];
  });
}

/** The values of a metric, of those series that have these labels. */
export function valuesIn(text: string, name: string, labels: object = {}): Sample[] {
  return samplesIn(text).filter(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
}

/** The described metrics of a text, in their order; those without a value have the labels that `metricNames` says. */
export function labelsIn(text: string): Record<string, readonly string[]> {
  const samples = samplesIn(text);
  const names = [...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name = '']) => name);
  return Object.fromEntries(
    names.map((name) => {
      const own = samples.find((one) => one.name === name || one.name === `${name}_count`);
      const labels = own === undefined ? metricNames[name] : Object.keys(own.labels);
      return [name, labels ?? []];
    }),
  );
}
