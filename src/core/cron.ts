/** The text of a cron expression: fields between blanks, or a name for several of them (crontab(5)). Pure. */

/** The names of crontab(5). `@reboot` is none: it is no time. */
const named: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

export const cronNames: readonly string[] = Object.keys(named);

/** Its fields. Tabs and runs of blanks separate them as one blank does. */
export function cronFields(text: string): string[] {
  const clean = text.trim();
  return (named[clean.toLowerCase()] ?? clean).split(/\s+/);
}

/** Whether it means the start of the machine, which is no time. */
export function isAtStart(text: string): boolean {
  return text.trim().toLowerCase() === '@reboot';
}
