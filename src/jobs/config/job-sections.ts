/** The maps below a job's keys: `delete`, `trash` and `hooks`. */
import { z } from 'zod';
import {
  command,
  duration,
  inner,
  longestAge,
  longestWait,
  oneOrMore,
  section,
  shareOrCount,
  variableName,
} from './fields.js';
import { planned } from './planned.js';

export const deleteRules = section(
  {
    max: shareOrCount
      .optional()
      .describe(
        'The most files a run may delete, as a share of the files in scope at the destination or as a number; if more would be deleted, nothing is. Default: 10 % or 20 files, whichever is more, and never over 50 %.',
      )
      .meta({ examples: ['20%'] }),
    require: inner
      .optional()
      .describe(
        'Path below the source that must exist, such as .mounted; otherwise nothing is deleted. Default: none.',
      )
      .meta({ examples: ['.mounted'] }),
    allowEmptySource: z
      .boolean()
      .optional()
      .describe('Whether files are deleted when the source is empty. Default: false.')
      .meta({ default: false, examples: [true] }),
    only: planned('delete only what a run of this job sent.'),
    grace: planned('how long files that are gone from the source are kept, by folder.'),
  },
  'delete',
);

export const trashRules = section(
  {
    dir: inner
      .optional()
      .describe('Folder below the destination, as DIR/RUN/path. Default: .ferryline/trash.')
      .meta({ default: '.ferryline/trash', examples: ['.trash'] }),
    keep: duration(longestAge)
      .optional()
      .describe('How long files stay there, such as 30d. Default: 30d.')
      .meta({ default: '30d', examples: ['90d'] }),
  },
  'trash',
);

export const hookRules = section({
  before: command('[pg_dump, -f, ./d.sql]')
    .optional()
    .describe(
      'Runs before the run, at each of its attempts. If it fails, the run is refused and nothing is changed. Default: none.',
    )
    .meta({ examples: [['pg_dump', '-f', './data/shop.sql']] }),
  success: command('[./ok.sh]')
    .optional()
    .describe('Runs after a run that succeeded. Default: none.')
    .meta({ examples: [['./ok.sh']] }),
  failure: command('[./bad.sh]')
    .optional()
    .describe('Runs after a run that ended as incomplete, failed or refused. Default: none.')
    .meta({ examples: [['./bad.sh']] }),
  always: command('[./report.sh]')
    .optional()
    .describe('Runs last, however the run ended. Default: none.')
    .meta({ examples: [['./report.sh']] }),
  timeout: duration(longestWait)
    .optional()
    .describe('How long each command may take, such as 10m. Default: 10m.')
    .meta({ default: '10m', examples: ['1h'] }),
  env: oneOrMore(variableName, 'the name of an environment variable')
    .optional()
    .describe(
      "Environment variables of ferryline's own that the commands get, beside PATH, HOME, LANG and TZ. Default: none.",
    )
    .meta({ examples: [['PGHOST', 'PGPASSFILE']] }),
});
