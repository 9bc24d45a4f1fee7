/** Sentences for people: why changes in some folders are not seen as they happen, and what to do about it. */
import { escapeText } from '../../core/text.js';

const until = 'so changes in some folders are found by the rescan only';

export function noRoot(root: string): string {
  return `the folder ${escapeText(root)} does not exist; it will be watched as soon as it does`;
}

/** `error` is the system's, from adding a watch to the folder. Limits: inotify(7). */
export function unwatched(folder: string, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ENOSPC':
      return `the system's limit of watches is reached, ${until}: raise fs.inotify.max_user_watches (sysctl), or exclude folders`;
    case 'EMFILE':
      return `the system's limit of watchers is reached, ${until}: raise fs.inotify.max_user_instances (sysctl) and the limit of open files`;
    default:
      return `${escapeText(folder)} can't be watched (${escapeText(error.message)}), so changes in it are found by the rescan only`;
  }
}
