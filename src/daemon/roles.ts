/** The roles of a daemon: each is one part of its work, and a process may have some of them only. */

export const allRoles = ['scheduler', 'watcher', 'worker', 'api'] as const;
export type Role = (typeof allRoles)[number];
