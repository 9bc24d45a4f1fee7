/** Holds the arrows of docs/architecture.md: who may import whom, read from the imports themselves. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';

const project = join(import.meta.dirname, '..');
const src = join(project, 'src');

/** Each room of the house and the rooms, or single files, it may import, itself aside. A room is a folder of src; of two that hold a file the deeper counts. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  core: [],
  'jobs/config': ['core'],
  'jobs/plan': ['core'],
  state: ['core'],
  ssh: ['core'],
  endpoints: ['core', 'ssh', 'endpoints/sftp/client'],
  // speaks SFTP over any stream: of the sides it knows two types, of SSH nothing
  'endpoints/sftp/client': ['core', 'endpoints/endpoint.ts', 'endpoints/listed.ts'],
  'workers/run': ['core', 'jobs/plan', 'state', 'endpoints'],
  workers: ['core', 'state', 'endpoints', 'workers/run'],
  queue: ['core', 'state'],
  observe: ['core', 'state'],
  notify: ['core', 'queue'],
  triggers: ['core', 'state', 'queue'],
  server: ['core', 'state', 'queue'],
  daemon: [
    ...['core', 'jobs/plan', 'state', 'endpoints', 'workers', 'workers/run', 'queue'],
    ...['observe', 'notify', 'triggers', 'server'],
  ],
  // a server of its own, for the demo and for tests
  'test-server': [],
  cli: [
    ...['core', 'jobs/config', 'jobs/plan', 'state', 'ssh', 'endpoints', 'workers', 'workers/run'],
    ...['queue', 'observe', 'triggers', 'server', 'daemon', 'test-server'],
  ],
};

/** What reaches outside the process, by module; `jobs` and `core` decide and never act. */
const worldly =
  /^(?:node:)?(?:fs|fs\/promises|net|tls|dns|http|https|child_process|worker_threads|os|timers|timers\/promises|process|readline)$|^(?:ssh2|ssh2-sftp-client|chokidar|bullmq|ioredis|pg|winston)$/;

interface Source {
  /** Relative to src. */
  readonly file: string;
  readonly room: string;
  readonly text: string;
  /** Module names as written. */
  readonly imports: readonly string[];
}

const sources: readonly Source[] = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => {
    const text = readFileSync(join(src, file), 'utf8');
    return { file, room: roomOf(file), text, imports: importsOf(text) };
  });

/** The deepest room that holds a file; the file itself when none does. */
function roomOf(file: string): string {
  const rooms = Object.keys(arrows).filter((room) => file === room || file.startsWith(`${room}/`));
  return rooms.sort((a, b) => b.length - a.length)[0] ?? file;
}

/** Static and dynamic imports, re-exports and types. */
function importsOf(text: string): string[] {
  const found = text.matchAll(
    /(?:^|[\s;}])(?:import|export)\s+(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? '');
}

function code(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

test('the imports are seen', () => {
  expect(
    importsOf(
      `import a from 'a';\nimport type { b,\n  c } from "b";\nexport { d } from './d.js';\nimport 'e';\nconst f = await import('f');`,
    ),
  ).toEqual(['a', 'b', './d.js', 'e', 'f']);
  expect(sources.length).toBeGreaterThan(5);
});

test('every file is in a room', () => {
  const unknown = sources.filter(({ room }) => !(room in arrows));
  expect(unknown.map(({ file }) => file)).toEqual([]);
});

test('imports point one way', () => {
  const wrong: string[] = [];
  for (const { file, room, imports } of sources) {
    for (const name of imports.filter((it) => it.startsWith('.'))) {
      const target = normalize(join(dirname(file), name)).replace(/\.js$/, '.ts');
      const other = roomOf(target);
      const allowed =
        other === room || arrows[room]?.includes(other) || arrows[room]?.includes(target);
      if (!allowed) wrong.push(`${file} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('no files import each other in a circle, for types neither, in src, bench or test', () => {
  const files = ['src', 'bench', 'test'].flatMap((folder) => {
    const names = readdirSync(join(project, folder), { recursive: true, encoding: 'utf8' });
    return names.filter((name) => /(?<!\.d)\.ts$/.test(name)).map((name) => `${folder}/${name}`);
  });
  const importsOfFile = new Map(
    files.map((file) => {
      const names = importsOf(readFileSync(join(project, file), 'utf8'));
      const targets = names
        .filter((name) => name.startsWith('.'))
        .map((name) => normalize(join(dirname(file), name)).replace(/\.js$/, '.ts'));
      return [file, targets];
    }),
  );
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]) => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(' -> '));
    if (done.has(file) || way.includes(file)) return;
    for (const target of importsOfFile.get(file) ?? []) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});

test('rooms do not need each other in a circle', () => {
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    (arrows[from] ?? []).some((next) => {
      const room = next in arrows ? next : '';
      if (room === to) return true;
      if (room === '' || seen.has(room)) return false;
      return reaches(room, to, seen.add(room));
    });
  expect(Object.keys(arrows).filter((room) => reaches(room, room))).toEqual([]);
});

test('core and jobs are pure: no files, no net, no clock, no chance', () => {
  const wrong = sources
    .filter(({ room }) => room === 'core' || room.startsWith('jobs/'))
    .flatMap(({ file, text, imports }) => [
      ...imports.filter((name) => worldly.test(name)).map((name) => `${file} imports ${name}`),
      ...[
        ...code(text).matchAll(
          /\b(?:Date\.now|new Date\(\)|performance\.now|Math\.random|setTimeout|setInterval|process\.)/g,
        ),
      ].map((match) => `${file} uses ${match[0]}`),
    ]);
  expect(wrong).toEqual([]);
});

test('only cli/command.ts ends the process', () => {
  const wrong = sources.filter(
    ({ file, text }) => file !== 'cli/command.ts' && /\bprocess\.exit\b/.test(code(text)),
  );
  expect(wrong.map(({ file }) => file)).toEqual([]);
});

test('whole-file transfers of the libraries are not used: they truncate, spin and leave the root', () => {
  const wrong = sources.filter(({ text }) =>
    /\b(?:fastPut|fastGet|downloadDir|uploadDir)\b/.test(code(text)),
  );
  expect(wrong.map(({ file }) => file)).toEqual([]);
});

test('no barrel files', () => {
  expect(sources.filter(({ file }) => /(?:^|\/)index\.ts$/.test(file))).toEqual([]);
});
