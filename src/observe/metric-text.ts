/**
 * Metrics as text, in pieces: prom-client writes each, and others get their turn between two. All at once
 * would keep a daemon with thousands of jobs from everything else for a tenth of a second.
 */
import { setImmediate } from 'node:timers/promises';
import { type Metric, Registry, type RegistryContentType } from 'prom-client';

export interface MetricValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** The name of a histogram's part; absent: the metric's own. */
  readonly metricName?: string | undefined;
}

/** A metric as it is read: its values are made while they are written. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly values: () => Iterable<MetricValue>;
}

/** Lines written in one piece: a few milliseconds. */
const pieceLines = 500;
/** A piece ends earlier where its values take longer than this to find. */
const pieceMs = 10;

/** The content types of metrics: that of OpenMetrics for readers that ask for it, else Prometheus's own. */
export function metricsType(isOpen: boolean): RegistryContentType {
  return isOpen ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE;
}

/** The text of metrics, piece by piece. */
export async function* metricsText(
  families: Iterable<MetricFamily>,
  isOpen: boolean,
): AsyncGenerator<string> {
  const registry: Registry<RegistryContentType> = new Registry();
  registry.setContentType(metricsType(isOpen));
  for (const { name: whole, help, type, values: valuesOf } of families) {
    // In OpenMetrics the name of a counter is without `_total`, and prom-client adds it to each line.
    const name = isOpen && type === 'counter' ? whole.replace(/_total$/, '') : whole;
    let values: readonly MetricValue[] = [];
    const metric = { name, get: async () => ({ name, help, type, values }) };
    registry.registerMetric(metric as unknown as Metric);
    let isFirst = true;
    for (const piece of inPieces(valuesOf())) {
      values = piece;
      const text = `${await registry.getSingleMetricAsString(name)}\n`;
      yield isFirst ? text : withoutHead(text);
      isFirst = false;
      await setImmediate();
    }
  }
  if (isOpen) yield '# EOF\n';
}

/** At least one piece, which may be empty: a metric without a value has its description. */
function* inPieces(values: Iterable<MetricValue>): Generator<readonly MetricValue[]> {
  let piece: MetricValue[] = [];
  let isFirst = true;
  let began = performance.now();
  for (const value of values) {
    piece.push(value);
    if (piece.length < pieceLines && performance.now() - began < pieceMs) continue;
    yield piece;
    piece = [];
    isFirst = false;
    began = performance.now();
  }
  if (isFirst || piece.length > 0) yield piece;
}

/** Without the lines HELP and TYPE, which come once. */
function withoutHead(text: string): string {
  return text.slice(text.indexOf('\n', text.indexOf('\n') + 1) + 1);
}
