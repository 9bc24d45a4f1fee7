/**
 * What the documents show is true: every jobs.yml in them loads, every verb they name is there, and
 * the image, the compose file and the unit name nothing that isn't.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments, parseDocument } from 'yaml';
import { loadConfig } from '../src/jobs/config/load.js';
import { ferryline } from './kit/daemons/cli.js';
import { context } from './kit/loading.js';
import { needed } from './kit/setup.js';
import { commandsIn, refusal } from './kit/shown-commands.js';

const project = join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(project, file), 'utf8');

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'test/README.md',
  ...readdirSync(join(project, 'docs'), { recursive: true, encoding: 'utf8' }).map(
    (name) => `docs/${name}`,
  ),
]
  .filter((file) => file.endsWith('.md'))
  .map((file) => ({ file, text: read(file) }));

const load = (text: string) =>
  loadConfig(text, { ...context, readFile: (path) => `secret-of-${path}` });

interface Block {
  /** `docs/running.md:42`, where its text begins. */
  readonly place: string;
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks of a page, without the indentation of their fences. */
function blocksOf({ file, text }: (typeof pages)[number]): Block[] {
  return [...text.matchAll(/^( *)```(\w*)\n([\s\S]*?)^ *```$/gm)].map((match) => {
    const [, indent = '', language = '', inner = ''] = match;
    return {
      place: `${file}:${text.slice(0, match.index).split('\n').length + 1}`,
      language,
      text: inner.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    };
  });
}

const blocks = pages.flatMap(blocksOf);

describe('yaml in the documents', () => {
  // The examples of the reference are pieces: reference.test.ts loads each in its place.
  const shown = blocks.filter(
    ({ language, place }) => language === 'yaml' && !place.startsWith('docs/jobs-yml.md:'),
  );

  test('there is some', () => {
    expect(shown.length).toBeGreaterThan(4);
  });

  test.each(shown)('the jobs.yml at $place loads', ({ text }) => {
    const { warnings } = load(text);
    expect(warnings).toEqual([]);
  });
});

describe('verbs', () => {
  const pattern = /(?<!-[ugo] |[\w/-])ferryline[ \t]+([a-z]+)\b/g;
  const verbsIn = (text: string) => [...text.matchAll(pattern)].map(([, verb = '']) => verb);
  let known: Set<string>;

  beforeAll(async () => {
    const { stdout } = await ferryline(['--help']);
    known = new Set([...stdout.matchAll(/^ {2}([a-z]+)\b/gm)].map(([, verb = '']) => verb));
    expect([...known]).toEqual(expect.arrayContaining(['run', 'plan', 'trust']));
  });

  test.each(pages)('those in the code of $file are there', ({ text, ...page }) => {
    const spans = text.replaceAll(/^ *```[\s\S]*?^ *```$/gm, '').match(/`[^`\n]+`/g) ?? [];
    const code = [...spans, ...blocksOf({ text, ...page }).map((block) => block.text)];
    expect(code.flatMap(verbsIn).filter((verb) => !known.has(verb))).toEqual([]);
  });

  // The page of all flags is made from the program.
  const written = pages.filter(({ file }) => file !== 'docs/command-flags.md');
  test.each(written)('flags and arguments in the code of $file are taken', async (page) => {
    const spans = page.text.replaceAll(/^ *```[\s\S]*?^ *```$/gm, '').match(/`[^`\n]+`/g) ?? [];
    const code = [...spans, ...blocksOf(page).map((block) => block.text)].join('\n');
    const refused: string[] = [];
    const commands = commandsIn(code);
    if (page.file === 'docs/running.md') expect(commands.length).toBeGreaterThan(5);
    for (const words of commands) {
      const why = await refusal(words);
      if (why !== undefined) refused.push(`${words.join(' ')}: ${why}`);
    }
    expect(refused).toEqual([]);
  });

  test('those that the image, the compose file and the unit start are there', () => {
    const image = /^CMD \["([a-z]+)"\]$/m.exec(read('Dockerfile'))?.[1];
    const unit = /^ExecStart=ferryline ([a-z]+)$/m.exec(
      read('docs/systemd/ferryline.service'),
    )?.[1];
    const services = ferrylineServices().map(({ command }) => command[0]);
    for (const verb of [image, unit, ...services]) expect(known).toContain(verb);
  });
});

interface Service {
  readonly image?: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly networks?: readonly string[];
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, unknown>>;
  readonly networks: Readonly<Record<string, unknown>>;
}

function compose(): Compose {
  const document = parseDocument(read('compose.yaml'), { merge: true });
  expect([...document.errors, ...document.warnings]).toEqual([]);
  return document.toJS() as Compose;
}

function ferrylineServices(): Service[] {
  return Object.values(compose().services).filter(({ image }) => image === 'ferryline');
}

describe('compose.yaml', () => {
  test('names only volumes, secrets and networks that it has, and uses all of them', () => {
    const { services, volumes, secrets, networks } = compose();
    const all = Object.values(services);
    const named = all
      .flatMap((service) => service.volumes ?? [])
      .map((volume) => volume.split(':')[0] ?? '')
      .filter((name) => !name.startsWith('.'));
    expect([...new Set(named)].sort()).toEqual(Object.keys(volumes).sort());
    expect(named.length).toBe(new Set(named).size);
    expect([...new Set(all.flatMap((service) => service.secrets ?? []))]).toEqual(
      Object.keys(secrets),
    );
    const nets = new Set(all.flatMap((service) => service.networks ?? []));
    nets.delete('default');
    expect([...nets]).toEqual(Object.keys(networks));
  });

  test('has one scheduler, two workers with names of their own, and a queue they all reach', () => {
    const all = ferrylineServices();
    const roles = all.map(({ command }) => command[command.indexOf('--roles') + 1]);
    expect(roles).toEqual(['scheduler,watcher,api', 'worker', 'worker']);
    const workers = all.flatMap(({ command }) => {
      const at = command.indexOf('--worker');
      return at === -1 ? [] : [command[at + 1]];
    });
    expect(new Set(workers).size).toBe(2);
    for (const { environment } of all) {
      const { queue } = loadConfig('jobs: {}', { ...context, env: { ...environment } });
      expect(new URL(queue).hostname in compose().services).toBe(true);
    }
  });

  test('has a Redis that evicts nothing', () => {
    const { command } = compose().services.redis ?? { command: [] };
    expect(command[command.indexOf('--maxmemory-policy') + 1]).toBe('noeviction');
  });
});

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly template?: {
      readonly spec: {
        readonly containers: readonly {
          readonly image: string;
          readonly args: readonly string[];
          readonly env?: readonly { readonly name: string; readonly value?: string }[];
          readonly volumeMounts: readonly { readonly name: string }[];
        }[];
        readonly volumes?: readonly { readonly name: string }[];
      };
    };
    readonly volumeClaimTemplates?: readonly Pick<Manifest, 'metadata'>[];
  };
}

describe('deploy/kubernetes.yaml', () => {
  const documents = parseAllDocuments(read('deploy/kubernetes.yaml'));
  const manifests = documents.map((document) => {
    expect([...document.errors, ...document.warnings]).toEqual([]);
    return document.toJS() as Manifest;
  });

  test('has a jobs.yml that loads, and a queue that is one of its services', () => {
    const texts = manifests.flatMap(({ data }) => data?.['jobs.yml'] ?? []);
    expect(texts).toHaveLength(1);
    const services = manifests.filter(({ kind }) => kind === 'Service');
    const env = { FERRYLINE_QUEUE: 'redis://ferryline-redis:6379' };
    const { queue } = loadConfig(texts[0] as string, { ...context, env });
    expect(services.map(({ metadata }) => metadata.name)).toContain(new URL(queue).hostname);
    const said = manifests
      .flatMap(({ spec }) => spec?.template?.spec.containers ?? [])
      .flatMap((container) => container.env ?? [])
      .filter(({ name }) => name === 'FERRYLINE_QUEUE');
    expect(said.map(({ value }) => value)).toEqual([queue, queue]);
  });

  test('mounts only volumes that it has, and uses all of them', () => {
    for (const { spec, metadata } of manifests) {
      const pod = spec?.template?.spec;
      if (pod === undefined) continue;
      const claims = spec?.volumeClaimTemplates?.map((claim) => claim.metadata.name) ?? [];
      const volumes = [...(pod.volumes ?? []).map(({ name }) => name), ...claims];
      const mounted = pod.containers.flatMap((container) => container.volumeMounts);
      expect(mounted.map(({ name }) => name).sort(), metadata.name).toEqual(volumes.sort());
    }
  });
});

test('what the Dockerfile copies is there, and let in by .dockerignore', () => {
  const copied = [...read('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(
    ([, sources = '']) => sources.split(' '),
  );
  expect(copied).toContain('src');
  expect(copied.filter((source) => !existsSync(join(project, source)))).toEqual([]);
  const [first, ...rest] = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(first).toBe('*');
  expect(rest.sort()).toEqual([...new Set(copied)].map((source) => `!${source}`).sort());
});

/** The tests that a page names, as `file › name`. */
const namedIn = (text: string) =>
  [...text.matchAll(/`(test\/[^`]+)`/g)].map(([, name = '']) => name);

// A name is the first argument of test or describe, a row of a table of names, or a key of one.
const isNamed = (source: string, name: string) => {
  const quoted = ["'", '"', '`'].map(
    (quote) => quote + name.replaceAll("'", quote === "'" ? "\\'" : "'") + quote,
  );
  return quoted.some((text) => new RegExp(`[([]\\s*${escaped(text)}`).test(source));
};

/** The tests that a page names and that are not there; folders and helpers are none. */
function missingTests(page: string): string[] {
  const tests = page.replaceAll(/`test\/(?:kit\/[^`]*|docs\.test\.ts|[\w-]+\/)`/g, '');
  return namedIn(tests).filter((full) => {
    const [file = '', ...names] = full.split(' › ');
    if (names.length === 0 || !existsSync(join(project, file))) return true;
    return !names.every((name) => isNamed(read(file), name));
  });
}

describe('docs/faults.md', () => {
  const page = read('docs/faults.md');
  const [table = '', invariants = ''] = page.split(/^## What holds at every moment$/m);
  /** A row's number, and all that stands below its heading. */
  const rows = table
    .split(/^### /m)
    .slice(1)
    .map((text) => ({ row: Number.parseInt(text, 10), text }));
  const isOwed = (text: string) => /^Not tested yet: [\s\S]*?planned with \S/m.test(text);

  test('has each row once, in order', () => {
    expect(rows.map(({ row }) => row)).toEqual(Array.from({ length: 87 }, (_, i) => i + 1));
  });

  test('has tests, or a note of what brings them, for each row and each invariant', () => {
    const bare = rows.filter(({ text }) => namedIn(text).length === 0 && !isOwed(text));
    expect(bare.map(({ row }) => row)).toEqual([]);
    const held = invariants.split(/^\d+\. /m).slice(1);
    expect(held.map((text) => namedIn(text).length > 0)).toEqual(Array(11).fill(true));
  });

  test('names tests that exist', () => {
    expect(missingTests(page)).toEqual([]);
  });

  test('names every test that is called after a row, in that row', () => {
    const folder = join(project, 'test/faults');
    const called = readdirSync(folder).flatMap((name) =>
      [...readFileSync(join(folder, name), 'utf8').matchAll(/'(row (\d+): [^']+)'/g)].map(
        ([, title = '', row]) => ({ row: Number(row), name: `test/faults/${name} › ${title}` }),
      ),
    );
    expect(called.length).toBeGreaterThan(20);
    const unnamed = called.filter(
      ({ row, name }) => !namedIn(rows[row - 1]?.text ?? '').includes(name),
    );
    expect(unnamed).toEqual([]);
  });
});

describe('docs/reliability.md', () => {
  const page = read('docs/reliability.md');
  const promises = (page.split(/^## /m)[1] ?? '').split(/^\*\*/m).slice(1);

  test('has tests for each promise', () => {
    expect(promises.length).toBeGreaterThan(10);
    expect(promises.filter((text) => namedIn(text).length === 0)).toEqual([]);
  });

  test('names tests that exist', () => {
    expect(missingTests(page)).toEqual([]);
  });
});

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

test('test/README.md and the npm scripts name tests and folders that exist', () => {
  const text = read('test/README.md');
  const inTest = [...text.matchAll(/`((?:[a-z][\w-]*\/)+[\w.-]*)`/g)].map(([, path = '']) => path);
  expect(inTest.length).toBeGreaterThan(40);
  const missing = inTest.filter(
    (path) => !['', 'test', 'src'].some((folder) => existsSync(join(project, folder, path))),
  );
  expect(missing).toEqual([]);
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const filters = Object.values(scripts).flatMap((script) => script.match(/\btest\/\S+/g) ?? []);
  expect(filters.length).toBeGreaterThan(2);
  const none = filters.filter(
    (path) => !existsSync(join(project, path)) && !existsSync(join(project, `${path}.test.ts`)),
  );
  expect(none).toEqual([]);
});

test('CONTRIBUTING.md has every package that the tests install', () => {
  const [, command = ''] = /apt-get install ([^`]*)```/.exec(read('CONTRIBUTING.md')) ?? [];
  const listed = command.split(/[\s\\]+/).filter((word) => word !== '');
  expect(listed.sort()).toEqual(needed.map(([, name]) => name).sort());
});

test('the still of the demo shows scenes that the demo has, and README.md stays a page', () => {
  const sources = readdirSync(join(project, 'src/cli/demo')).map((file) =>
    read(`src/cli/demo/${file}`),
  );
  const titles = [...read('docs/demo.svg').matchAll(/>\d+\. ([^<]+)</g)].map(
    ([, title = '']) => title,
  );
  expect(titles.length).toBeGreaterThan(2);
  expect(titles.filter((title) => !sources.join('').includes(title))).toEqual([]);
  expect(read('README.md').split('\n').length).toBeLessThan(150);
});

test('source files that the documents name are there', () => {
  const files = ['src', 'test', 'docs', 'bench'].flatMap((folder) =>
    readdirSync(join(project, folder), { recursive: true, encoding: 'utf8' }).map(
      (name) => `${folder}/${name}`,
    ),
  );
  const exists = (named: string) =>
    files.some((file) => file === named || file.endsWith(`/${named}`)) ||
    existsSync(join(project, named));
  const named = [...pages.map(({ file }) => file), 'CONTRIBUTING.md', 'SECURITY.md'].flatMap(
    (page) =>
      [...read(page).matchAll(/`((?:[\w.-]+\/)*[\w-]+\.ts)`/g)].map(([, path = '']) => ({
        page,
        path,
      })),
  );
  expect(named.length).toBeGreaterThan(60);
  const missing = named.filter(({ path }) => !path.includes('NAME') && !exists(path));
  expect(missing).toEqual([]);
});

test('links between the documents lead somewhere', () => {
  const broken = pages.flatMap(({ file, text }) =>
    [...text.matchAll(/\]\((?!https?:)([^)#\s]+)[^)]*\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !existsSync(join(project, file, '..', target)))
      .map((target) => `${file}: ${target}`),
  );
  expect(broken).toEqual([]);
});
