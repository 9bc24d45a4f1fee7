/** Runs `ferryline demo` on a terminal, and writes some of its scenes to docs/demo.svg. `npm run docs:still` starts it. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const project = join(import.meta.dirname, '../..');
const columns = 104;
/** The scenes to show, by their numbers in the demo. */
const scenes = ['1', '2', '6'];
const colours = { 1: '#ffffff', 2: '#8b949e', 31: '#ff7b72', 32: '#7ee787', 33: '#e3b341' };
const plain = '#c9d1d9';
const lineHeight = 19;
const charWidth = 8.43;

const program = join(project, 'dist/cli/main.js');
const command = `stty cols ${columns}; '${process.execPath}' '${program}' demo`;
const child = spawn('script', ['-qec', command, '/dev/null'], {
  env: { ...process.env, TERM: 'xterm', CI: '', LC_ALL: 'C.UTF-8' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
let output = '';
child.stdout.setEncoding('utf8').on('data', (text) => {
  output += text;
});
const code = await new Promise((ended) => child.once('close', ended));
if (code !== 0) throw new Error(`the demo ended with ${code}:\n${output}`);
// `␛` takes the place of the escape character.
const shown = chosen(screen(output.replaceAll(String.fromCharCode(27), '␛'))).flatMap(wrapped);
writeFileSync(join(project, 'docs/demo.svg'), svg(shown));

/** The lines that remain on the screen: what a progress display overwrote is gone. */
function screen(text) {
  const lines = [''];
  for (const [, up, , rest] of text.matchAll(
    /␛\[(\d+)A|(␛\[(?:J|\?25[lh])|\r)|(\n|(?:␛\[\d+m)|[^␛\r\n]+)/g,
  )) {
    if (up !== undefined) lines.splice(lines.length - 1 - Number(up), lines.length, '');
    else if (rest === '\n') lines.push('');
    else if (rest !== undefined) lines[lines.length - 1] += rest;
  }
  return lines;
}

/** The scenes that are shown, with an empty line between them. */
function chosen(lines) {
  const kept = [];
  let isShown = false;
  for (const line of lines) {
    const [, number] = /^␛\[1m(\d+)\. /.exec(line) ?? [];
    if (number !== undefined) isShown = scenes.includes(number);
    if (isShown) kept.push(line);
  }
  while (kept.at(-1) === '') kept.pop();
  return kept;
}

/** A line as pieces of one colour each, on as many lines as it needs. */
function wrapped(line) {
  const all = [[]];
  let colour = plain;
  let left = columns;
  for (const [, sequence, text] of line.matchAll(/␛\[(\d+)m|([^␛]+)/g)) {
    if (sequence !== undefined) colour = colours[sequence] ?? plain;
    for (let rest = text ?? ''; rest !== ''; ) {
      const fits = rest.length <= left ? rest.length : rest.lastIndexOf(' ', left) + 1 || left;
      all.at(-1).push({ colour, text: rest.slice(0, fits) });
      left -= fits;
      rest = rest.slice(fits);
      if (rest === '') continue;
      all.push([{ colour, text: '         ' }]);
      left = columns - 9;
    }
  }
  return all;
}

function svg(lines) {
  const width = Math.ceil(columns * charWidth + 32);
  const height = lines.length * lineHeight + 32;
  const rows = lines.map((pieces, at) => {
    const spans = pieces.map(({ colour, text }) => `<tspan fill="${colour}">${safe(text)}</tspan>`);
    return `<text x="16" y="${16 + (at + 0.75) * lineHeight}">${spans.join('')}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" xml:space="preserve">
<title>ferryline demo: what a terminal shows</title>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${rows.join('\n')}
</svg>
`;
}

function safe(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
