import { pathToFileURL } from 'node:url';
import { defineConfig } from 'vitest/config';

// FERRYLINE_TEST_REPORT names a file for the totals that .ci/run adds up.
const report = process.env.FERRYLINE_TEST_REPORT;

// They read the sources alone, so that `npm run check` can run them anywhere.
const rules = ['test/import-rules.test.ts', 'test/made-pages.test.ts'];

export default defineConfig({
  plugins: [
    {
      // A thread or process is started from a file, which Node can't be given in TypeScript: it is the built one.
      name: 'built-programs',
      enforce: 'pre',
      transform(code, id) {
        if (!id.startsWith(`${import.meta.dirname}/src/`)) return undefined;
        const folder = JSON.stringify(pathToFileURL(`${import.meta.dirname}/dist/cli/`).href);
        return code.replace(
          /new URL\((['"]\.\/[\w-]+\.js['"]), import\.meta\.url\)/g,
          (_all, program) => `new URL(${program}, ${folder})`,
        );
      },
    },
  ],
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'ferryline',
          include: ['test/**/*.test.ts'],
          exclude: rules,
          globalSetup: ['test/kit/setup.ts'],
        },
      },
      { test: { name: 'rules', include: rules } },
      {
        // The end-to-end suite once more, with the system's ssh as the transport.
        extends: true,
        test: {
          name: 'openssh',
          include: ['test/e2e/**/*.test.ts'],
          // Passwords, passphrases and jump hosts of jobs.yml are refused there.
          exclude: ['test/e2e/logins.test.ts', 'test/e2e/locked-keys.test.ts'],
          globalSetup: ['test/kit/setup.ts'],
          env: { FERRYLINE_TEST_TRANSPORT: 'openssh' },
        },
      },
    ],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
