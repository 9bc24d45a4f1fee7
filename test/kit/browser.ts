/** Debian's Chromium, and what tests look at in every view. */
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';

export async function startBrowser(): Promise<Browser & { stop(): Promise<void> }> {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    // root has no sandbox
    args: ['--no-sandbox'],
  });
  return Object.assign(browser, { stop: () => browser.close() });
}

/** What axe-core finds wrong in a view: rule, and the elements. */
export async function faultsIn(page: Page): Promise<string[]> {
  // evaluated by the debugger, which the page's policy does not hold back
  await page.evaluate(`${axe.source}; undefined`);
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }).axe.run(),
  );
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}
