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

/** The contenders of a column; the fastest of them is shown. */
const columns: Readonly<Record<string, readonly string[]>> = {
  ferryline: ['ferryline'],
  sftp: ['sftp -b'],
  rsync: ['rsync -a'],
  rclone: ['rclone', 'rclone --transfers 32 --checkers 32 --sftp-disable-hashcheck'],
  lftp: ['lftp mirror -P 16'],
};

/** README.md with its table as BENCHMARKS.md has the figures. */
export function withFigures(readme: string, benchmarks: string): string {
  const [before, rest] = readme.split(`${begin}\n`);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined)
    throw new Error('README.md has no place for the figures');
  const names = Object.keys(columns);
  const rows = cases.map((name) => rowOf(name, benchmarks));
  const table = aligned([['seconds, medians', ...names], ...rows]);
  return `${before}${begin}\n\n${table}\n\n${end}${after}`;
}

function rowOf(name: string, benchmarks: string): string[] {
  const [, text] = benchmarks.split(`<!-- ${name} -->\n`);
  const about = /^## .*\n\n(.*?)\.?$/m.exec(text ?? '')?.[1];
  if (text === undefined || about === undefined) throw new Error(`BENCHMARKS.md has no ${name}`);
  const [section = ''] = text.split(`<!-- /${name} -->`);
  const medians = new Map(
    [...section.matchAll(/^\| (.+?) \| \*\*([\d.]+)\*\* \|/gm)].map(([, who = '', median]) => [
      who,
      median ?? '',
    ]),
  );
  const cells = Object.values(columns).map((contenders) => {
    const times = contenders.flatMap((who) => medians.get(who) ?? []);
    return times.sort((a, b) => Number(a) - Number(b))[0] ?? '–';
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
