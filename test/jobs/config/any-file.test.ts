import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { load, problems } from '../../kit/loading.js';

describe('any file', () => {
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,10}$/);
  const word = fc.stringMatching(/^[a-z][a-z0-9 .*-]{0,8}[a-z]$/);
  const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const time = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.constantFrom('s', 'm', 'h'));
  const scales = { s: 1000, m: 60_000, h: 3_600_000 };
  const job = fc.record(
    {
      exclude: fc.array(word, { maxLength: 3 }),
      compare: fc.constantFrom('auto', 'mtime', 'size', 'checksum'),
      fsync: fc.boolean(),
      history: fc.integer({ min: 1, max: 1000 }),
      timeout: time,
      max: fc.oneof(
        fc.nat(1000),
        fc.integer({ min: 0, max: 100 }).map((n) => `${n}%`),
      ),
    },
    { requiredKeys: [] },
  );
  const config = fc.record({
    port: optional(fc.integer({ min: 1, max: 65_535 })),
    remote: name,
    jobs: fc.dictionary(name, job, { maxKeys: 4, noNullPrototype: true }),
  });
  const asText = ({
    port,
    remote,
    jobs,
  }: typeof config extends fc.Arbitrary<infer C> ? C : never) =>
    stringify({
      remotes: { [remote]: { host: 'h', ...(port === undefined ? {} : { port }) } },
      jobs: Object.fromEntries(
        Object.entries(jobs).map(([key, { max, timeout, ...rest }]) => [
          key,
          {
            operation: 'mirror',
            from: './a',
            to: `${remote}:${key}`,
            ...rest,
            ...(timeout === undefined ? {} : { timeout: timeout.join('') }),
            ...(max === undefined ? {} : { delete: { max } }),
          },
        ]),
      ),
    });

  it('that is valid means what it says', () => {
    fc.assert(
      fc.property(config, (written) => {
        const loaded = load(asText(written));
        expect(loaded.remotes.get(written.remote)?.port).toBe(written.port ?? 22);
        expect([...loaded.jobs.keys()].sort()).toEqual(Object.keys(written.jobs).sort());
        for (const [key, { max, timeout, ...rest }] of Object.entries(written.jobs)) {
          const found = loaded.jobs.get(key);
          expect(found?.to.path).toBe(key);
          expect(found?.scope.exclude).toEqual(rest.exclude ?? []);
          expect(found?.compare).toBe(rest.compare ?? 'auto');
          expect(found?.fsync).toBe(rest.fsync ?? false);
          expect(found?.history).toEqual({ count: rest.history ?? 500 });
          expect(found?.timeout).toBe(timeout && timeout[0] * scales[timeout[1]]);
          const share =
            typeof max === 'number' ? { count: max } : max && { percent: Number.parseInt(max, 10) };
          expect(found?.delete.max).toEqual(share);
        }
      }),
    );
  });

  const pieces = [
    ...['${HOST}', '${', '}', '{', '[', ']', ': ', '- ', '*', '&a ', '*a', '!', '"', "'", '\n'],
    ...['|', '>', '%', '@', '~', 'null', '5', '-1', '0644', '..', '/', '#', '\t', '? ', ',', '\0'],
    ...['\n---\n', 'once', 'true', 'constructor: ', '<<: ', 'hasOwnProperty', '  ', '\ud800'],
  ];
  it('that is damaged loads or is a config error', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(12), fc.constantFrom(...pieces, '')), {
      minLength: 1,
      maxLength: 4,
    });
    const top = readFileSync(new URL('../../../jobs.yml', import.meta.url), 'utf8');
    fc.assert(
      fc.property(fc.oneof(config.map(asText), fc.constant(top)), damage, (whole, edits) => {
        let text = whole;
        for (const [where, length, piece] of edits) {
          const at = where % (text.length + 1);
          text = text.slice(0, at) + piece + text.slice(at + length);
        }
        for (const line of problems(text)) expect(line).toMatch(/^(?:jobs\.yml:\d+:\d+ |and \d)/);
      }),
      { numRuns: 300 },
    );
  });

  it('of any values loads or is a config error', () => {
    const key = fc.constantFrom(
      ...['remotes', 'jobs', 'defaults', 'queue', 'host', 'auth', 'jump', 'from', 'to', 'after'],
      ...['operation', 'delete', 'watch', 'modes', 'archive', 'd', 'x', 'max', 'exclude'],
    );
    const leaf = fc.oneof(
      fc.constantFrom('push', 'd:x', './a', 'd'),
      fc.jsonValue({ maxDepth: 1 }),
    );
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { depthSize: 'medium', withCrossShrink: true },
        leaf,
        fc.dictionary(key, tie('tree'), { maxKeys: 5, noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(key, tree, { noNullPrototype: true }), (value) => {
        problems(stringify(value));
      }),
      { numRuns: 300 },
    );
  });
});
