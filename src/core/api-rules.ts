/** What jobs.yml says of the HTTP API: where it listens, and who may ask what. Pure. */
import { bareHost, isIPv6 } from './host.js';

/** `view` reads; `operate` also starts, cancels, pauses and resumes. */
export type ApiRole = 'view' | 'operate';

export interface ApiToken {
  readonly name: string;
  readonly role: ApiRole;
  readonly token: string;
}

export interface ListenAddress {
  /** An IP address without brackets, or `localhost`. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

export interface ApiRules {
  /** Undefined: there is no API over TCP. */
  readonly listen: ListenAddress | undefined;
  /** Whether jobs.yml names the address: a default one that is in use does not end the start. */
  readonly isChosen: boolean;
  /** Its address for people, without a slash at its end. */
  readonly url: string | undefined;
  readonly tokens: readonly ApiToken[];
}

export const defaultListen: ListenAddress = { host: '127.0.0.1', port: 7022 };

/** `127.0.0.1:7022`, `[::1]:7022`, `localhost:7022`; undefined for any other text, a host's name too. */
export function parseListen(text: string): ListenAddress | undefined {
  const [, written = '', digits = ''] = /^(\[[^\]]+\]|[^:[\]]+):(\d{1,5})$/.exec(text) ?? [];
  const host = bareHost(written);
  const port = Number(digits);
  const isHost = host === 'localhost' || isIPv4(host) || isIPv6(host);
  return isHost && digits !== '' && port <= 65_535 ? { host, port } : undefined;
}

/** Whether only this machine reaches an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function isIPv4(text: string): boolean {
  return /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text) && text.split('.').every((part) => +part <= 255);
}

/** `127.0.0.1:7022`, an IPv6 address in brackets. */
export function hostAndPort({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
