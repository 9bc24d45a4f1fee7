/** What can be asked of a daemon about incidents, silences and messages. */
import { FerryError } from '../core/errors.js';
import type { IncidentView, MessageView, SilenceView, StepView } from '../core/incident-view.js';
import { escapeText } from '../core/text.js';
import { unknownName } from './control/controls.js';

interface SilenceScope {
  readonly scope: 'job' | 'remote' | 'all';
  /** Of a job or a remote. */
  readonly name?: string;
}

/** Errors of all: `network` while the queue is out of reach, `config` for what does not exist. */
export interface IncidentControls {
  /** All that are kept, the newest first. */
  incidents(): Promise<readonly IncidentView[]>;
  /** One of them, with its steps. */
  incident(id: string): Promise<IncidentView & { readonly steps: readonly StepView[] }>;
  /** Resolves to false when somebody had done it, or it has ended. */
  acknowledge(incident: string, by: string): Promise<boolean>;
  /** The newest first, ended ones too. */
  silences(): Promise<readonly SilenceView[]>;
  /** `until`: ms since the epoch. */
  silence(
    scope: SilenceScope,
    until: number,
    by: string,
    reason: string | undefined,
  ): Promise<SilenceView>;
  /** Resolves to false when it had ended. */
  endSilence(id: string): Promise<boolean>;
  /** The newest messages, newest first. */
  messages(): Promise<readonly MessageView[]>;
  /** Sends a message that is dead once more; `busy` for another. */
  sendAgain(message: string): Promise<void>;
  /** Sends a message that says that nothing is wrong; resolves to its id. */
  test(channel: string, by: string): Promise<string>;
}

export function noSuch(what: string, id: string, hint: string): FerryError {
  return new FerryError('config', `there is no ${what} "${escapeText(id)}"`, {
    code: unknownName,
    hint,
  });
}
