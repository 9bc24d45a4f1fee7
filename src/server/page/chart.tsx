/** Duration and bytes of a job's runs as a chart, and as a table for those who don't see one. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { OutcomeMark, RunLink } from './parts.js';
import { bytesText, countText, secondsText, Time, timeText, zoneChoice, zoneOf } from './times.js';
import type { JobStats } from './types.js';

interface ChartProps {
  readonly job: string;
  readonly stats: JobStats;
}

const kinds = ['duration', 'bytes', 'files'] as const;
type Kind = (typeof kinds)[number];

const figureOf: Readonly<Record<Kind, (run: JobStats['runs'][number]) => number>> = {
  duration: ({ seconds }) => seconds,
  bytes: ({ bytes }) => bytes,
  files: ({ files }) => files,
};
const textOf: Readonly<Record<Kind, (value: number) => string>> = {
  duration: secondsText,
  bytes: bytesText,
  files: countText,
};

export function Chart({ job, stats }: ChartProps) {
  const [kind, setKind] = useState<Kind>('duration');
  return (
    <>
      <div class="parts">
        {kinds.map((one) => (
          <button key={one} type="button" aria-pressed={one === kind} onClick={() => setKind(one)}>
            {one}
          </button>
        ))}
      </div>
      <Drawing job={job} stats={stats} kind={kind} />
      <details>
        <summary>The same as a table</summary>
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>run</th>
                <th>outcome</th>
                <th>began</th>
                <th>took</th>
                <th>bytes</th>
                <th>files</th>
              </tr>
            </thead>
            <tbody>
              {stats.runs.map(({ run, outcome, startedAt, seconds, bytes, files }) => (
                <tr key={run}>
                  <td>
                    <RunLink run={run} />
                  </td>
                  <td>
                    <OutcomeMark outcome={outcome} />
                  </td>
                  <td>
                    <Time at={startedAt} job={job} />
                  </td>
                  <td>{secondsText(seconds)}</td>
                  <td>{bytesText(bytes)}</td>
                  <td>{countText(files)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </>
  );
}

/** The chart's code is loaded when the first one is seen. */
function Drawing({ job, stats, kind }: ChartProps & { readonly kind: Kind }) {
  const place = useRef<HTMLDivElement>(null);
  const zone = zoneOf(job);
  const choice = zoneChoice.value;
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    let end = () => {};
    let isOver = false;
    const look = new IntersectionObserver(([seen]) => {
      if (seen?.isIntersecting !== true) return;
      look.disconnect();
      void draw(element, stats, kind, zone).then((made) => {
        end = made;
        if (isOver) end();
      });
    });
    look.observe(element);
    return () => {
      isOver = true;
      look.disconnect();
      end();
    };
  }, [stats, kind, zone, choice]);
  const label = `${kind} of the last ${stats.runs.length} runs; the table has the figures`;
  return <div class="chart" ref={place} role="img" aria-label={label} />;
}

/** Draws, and returns what removes it. */
async function draw(
  element: HTMLElement,
  stats: JobStats,
  kind: Kind,
  zone: string,
): Promise<() => void> {
  const { default: UPlot } = await import('uplot');
  const runs = stats.runs.toReversed();
  const style = getComputedStyle(document.documentElement);
  // asked for at each drawing: the colours of the page may change
  const colour = (name: string) => () => style.getPropertyValue(name);
  const axis = { stroke: colour('--text'), grid: { stroke: colour('--line'), width: 1 } };
  const chart = new UPlot(
    {
      width: element.clientWidth,
      height: 200,
      legend: { show: false },
      cursor: { show: false },
      series: [{}, { stroke: colour('--link'), width: 2, points: { show: true, size: 5 } }],
      axes: [
        {
          ...axis,
          space: 110,
          values: (_, splits) => splits.map((at) => timeText(at * 1000, zone)),
        },
        { ...axis, size: 75, values: (_, splits) => splits.map((value) => textOf[kind](value)) },
      ],
      scales: { y: { range: (_, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
    },
    [runs.map(({ startedAt }) => Date.parse(startedAt) / 1000), runs.map(figureOf[kind])],
    element,
  );
  const fit = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: 200 }));
  fit.observe(element);
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const redraw = () => chart.redraw();
  dark.addEventListener('change', redraw);
  return () => {
    dark.removeEventListener('change', redraw);
    fit.disconnect();
    chart.destroy();
  };
}
