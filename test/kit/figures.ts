/** The table of figures in README.md, made from BENCHMARKS.md. */

const begin = '<!-- figures: begin; made from BENCHMARKS.md by `npm run docs` -->';
const end = '<!-- figures: end -->';

const cases = [
  'big-up',
  'big-down',
  'small-up',
  'small-down',
  'noop',
  'small-up-50ms',
  'noop-50ms',
];

/** The columns; of each the fastest of the contenders that begin with this word is shown, whatever their flags. */
const columns = ['ferryline', 'sftp', 'rsync', 'rclone', 'lftp'];

/** README.md with its table as BENCHMARKS.md has the figures. */
export function withFigures(readme: string, benchmarks: string): string {
  const [before, rest] = readme.split(`${begin}\n`);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined)
    throw new Error('README.md has no place for the figures');
  const rows = cases.map((name) => rowOf(name, benchmarks));
  const table = aligned([['seconds, medians', ...columns], ...rows]);
  return `${before}${begin}\n\n${table}\n\n${end}${after}`;
}

function rowOf(name: string, benchmarks: string): string[] {
  const [, text] = benchmarks.split(`<!-- ${name} -->\n`);
  const about = /^## .*\n\n(.*?)\.?$/m.exec(text ?? '')?.[1];
  if (text === undefined || about === undefined) throw new Error(`BENCHMARKS.md has no ${name}`);
  const [section = ''] = text.split(`<!-- /${name} -->`);
  const medians = [...section.matchAll(/^\| (.+?) \| \*\*([\d.]+)\*\* \|/gm)];
  const cells = columns.map((name) => {
    const times = medians.filter(([, who = '']) => who === name || who.startsWith(`${name} `));
    return times.map(([, , median = '']) => median).sort((a, b) => Number(a) - Number(b))[0] ?? '–';
  });
  return [about, ...cells];
}

/** As the formatter writes it. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((row) => row[at]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}
