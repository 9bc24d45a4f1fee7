/**
 * What a server asks for in words (keyboard-interactive, RFC 4256). The password is the answer to one
 * question only: the account's present password. To any other the answer would be wrong, and might
 * show the password.
 */

/** Words for a password that servers use: PAM's in its translations, those of Windows and of appliances. */
const password =
  /passw(?:or[dt]|d)?\b|passphrase|kennwort|wachtwoord|mot de passe|contrase(?:ñ|n)a|palavra-passe|senha|parola|lösenord|adgangskode|passord|salasana|hasło|heslo|jelszó|şifre|пароль|пароля|パスワード|密码|密碼|口令|암호|비밀번호/iu;

/** Words of questions for a new password, for one that is used once, or for something besides it. */
const otherThing =
  /\b(?:new|retype|re-enter|reenter|repeat|again|confirm|change|current|old|expired?|one[- ]?time|otp|totp|hotp|2fa|mfa|two[- ]factor|code|passcode|token|pin|puk|verification|authenticator|challenge|response|key|dynamic|temporary|sms|duo|yubikey|option|security|oath|s\/key|neues|altes|aktuelles|einmal\S*|bestätig\S*|wiederhol\S*|nouveau|actuel|nueva|actual|nuovo|nuova|nova|nieuw|новый)\b/iu;

const change = /\b(?:change|new|retype|expired?|current|old|neues|nouveau|nueva)\b/iu;

export interface Question {
  readonly prompt: string;
  /** Whether the answer may be shown: a password's may not. */
  readonly echo?: boolean | undefined;
}

/** Whether the only question is for the password of this account. `names`: the user's and the host's, which prompts repeat. */
export function asksForPassword(
  questions: readonly Question[],
  names: readonly string[] = [],
): boolean {
  const [question] = questions;
  if (question === undefined || questions.length > 1 || question.echo === true) return false;
  const { prompt } = question;
  return password.test(prompt) && !otherThing.test(withoutNames(prompt, names));
}

/** A prompt without the account that it is for: a host may be called `token`. */
function withoutNames(prompt: string, names: readonly string[]): string {
  return prompt
    .split(/\s+/)
    .filter((word) => !/.@./.test(word) && !names.includes(word.replace(/'s$|[:()'"]+/g, '')))
    .join(' ');
}

/** Whether a server wants the password changed, by its instructions and questions. */
export function asksForChange(text: string): boolean {
  return password.test(text) && change.test(text);
}
