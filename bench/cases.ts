/** The benchmark's table: one row a case. What a tree looks like is in work.ts, who takes part in contenders.ts. */
import type { Work } from './work.js';

export type ContenderName = (typeof ours)[number] | Peer;
export type Peer =
  | 'sftp'
  | 'rsync'
  | 'rclone'
  | 'rclone-tuned'
  | 'rclone-large'
  | 'rclone-renames'
  | 'lftp'
  | 'lftp-segments'
  /** ferryline without `renames: follow`. */
  | 'ferryline-resend';

/** ferryline on its two transports: in every case. The aims are for the first. */
export const ours = ['ferryline', 'ferryline-openssh'] as const;

export interface Case {
  readonly name: string;
  /** One line for people, without the scale. */
  readonly about: string;
  readonly work: Work;
  /** `mirror` goes up. */
  readonly operation: 'push' | 'pull' | 'mirror';
  /** What the destination contains before each run: `equal` leaves nothing to do, `churned` a little (churn.ts); `moved` what the same contender copied before the source's folders got other names. */
  readonly destination: 'missing' | 'equal' | 'churned' | 'moved';
  /** More keys of ferryline's job. */
  readonly job?: readonly string[];
  /** Milliseconds, half of them each way; absent: plain loopback. */
  readonly roundTrip?: number;
  readonly peers: readonly Peer[];
  readonly aims: readonly Aim[];
}

/** What ferryline is to reach, in medians. */
export type Aim =
  /** At least `ratio` times as fast as this peer, or as the fastest of several. */
  | { readonly ratio: number; readonly than: readonly Peer[] }
  /** At most so much CPU time as this peer. */
  | { readonly cpuOf: Peer }
  /** At most so much resident, in every run. */
  | { readonly megabytes: number };

const MiB = 1024 * 1024;

const gibibyte: Work = { name: 'gibibyte', files: 1, size: [1024 * MiB, 1024 * MiB] };
const halfGibibyte: Work = { name: 'half-gibibyte', files: 1, size: [512 * MiB, 512 * MiB] };
const fourBig: Work = { name: 'four-big', files: 4, size: [256 * MiB, 256 * MiB] };
const eightBig: Work = { name: 'eight-big', files: 8, size: [256 * MiB, 256 * MiB] };
const small: Work = { name: 'small', files: 5000, folders: 50, size: [200, 20_000] };
const many: Work = { name: 'many', files: 100_000, folders: 500, size: [0, 64] };
export const million: Work = { name: 'million', files: 1_000_000, folders: 1000, size: [0, 0] };
const moving: Work = { ...small, name: 'moving' };
const one: Work = { name: 'one', files: 1, size: [1024, 1024] };

const sftpPeers: readonly Peer[] = ['sftp', 'rclone', 'rclone-tuned', 'lftp'];
const allPeers: readonly Peer[] = [...sftpPeers, 'rsync'];
/** Those that gain by larger requests and by segments of one file; lftp has segments on the way down only. */
const bigUpPeers: readonly Peer[] = [...allPeers, 'rclone-large'];
const bigDownPeers: readonly Peer[] = [...bigUpPeers, 'lftp-segments'];
const mirrorPeers: readonly Peer[] = ['rsync', 'rclone', 'rclone-tuned'];
const rclones: readonly Peer[] = ['rclone', 'rclone-tuned'];

const up = { operation: 'push', destination: 'missing', peers: allPeers } as const;
const down = { operation: 'pull', destination: 'missing', peers: allPeers } as const;
const noop = { operation: 'mirror', destination: 'equal', peers: mirrorPeers } as const;

const memory: Aim = { megabytes: 250 };
const notSlower: Aim = { ratio: 1, than: ['rsync'] };
const bigAims: readonly Aim[] = [{ ratio: 1.5, than: bigDownPeers }, { cpuOf: 'sftp' }, memory];
/** Further peers would only repeat what the cases of one file say. */
const amongBig = { peers: ['sftp'], aims: [{ ratio: 1 / 1.2, than: ['sftp'] }, memory] } as const;
const smallAims: readonly Aim[] = [notSlower, { ratio: 2.5, than: sftpPeers }, memory];
const farAims: readonly Aim[] = [notSlower, { ratio: 15, than: sftpPeers }, memory];

export const cases: readonly Case[] = [
  {
    name: 'big-up',
    about: 'one file of 1 GiB up, loopback',
    work: gibibyte,
    ...up,
    peers: bigUpPeers,
    aims: bigAims,
  },
  {
    name: 'big-down',
    about: 'one file of 1 GiB down, loopback',
    work: gibibyte,
    ...down,
    peers: bigDownPeers,
    aims: bigAims,
  },
  ...[fourBig, eightBig].flatMap((work) => [
    {
      name: `many-big-${work.files}-up`,
      about: `${work.files} files of 256 MiB up, loopback`,
      work,
      ...up,
      ...amongBig,
    },
    {
      name: `many-big-${work.files}-down`,
      about: `${work.files} files of 256 MiB down, loopback`,
      work,
      ...down,
      ...amongBig,
    },
  ]),
  {
    name: 'small-up',
    about: '5,000 files of 200 B to 20 KB in 50 folders up, loopback',
    work: small,
    ...up,
    aims: smallAims,
  },
  {
    name: 'small-down',
    about: '5,000 files of 200 B to 20 KB in 50 folders down, loopback',
    work: small,
    ...down,
    aims: smallAims,
  },
  {
    name: 'noop',
    about: 'mirror of 100,000 files in 500 folders, nothing to do, loopback',
    work: many,
    ...noop,
    aims: [notSlower, { ratio: 3, than: rclones }, memory],
  },
  {
    name: 'million',
    about: 'mirror of 1,000,000 empty files in 1,000 folders, nothing to do, loopback',
    work: million,
    ...noop,
    aims: [{ ratio: 1 / 1.25, than: ['rsync'] }, { megabytes: 200 }],
  },
  {
    name: 'one-file',
    about: 'one file of 1 KiB up, loopback',
    work: one,
    ...up,
    aims: [{ ratio: 1 / 1.5, than: ['sftp'] }, memory],
  },
  {
    name: 'big-up-50ms',
    about: 'one file of 512 MiB up, 50 ms round trip',
    work: halfGibibyte,
    ...up,
    peers: bigUpPeers,
    roundTrip: 50,
    aims: [{ ratio: 5.5, than: bigUpPeers }, memory],
  },
  {
    name: 'big-down-50ms',
    about: 'one file of 512 MiB down, 50 ms round trip',
    work: halfGibibyte,
    ...down,
    peers: bigDownPeers,
    roundTrip: 50,
    aims: [{ ratio: 4, than: bigDownPeers }, memory],
  },
  {
    name: 'small-up-50ms',
    about: '5,000 files of 200 B to 20 KB in 50 folders up, 50 ms round trip',
    work: small,
    ...up,
    roundTrip: 50,
    aims: farAims,
  },
  {
    name: 'small-down-50ms',
    about: '5,000 files of 200 B to 20 KB in 50 folders down, 50 ms round trip',
    work: small,
    ...down,
    roundTrip: 50,
    aims: farAims,
  },
  {
    name: 'noop-50ms',
    about: 'mirror of 100,000 files in 500 folders, nothing to do, 50 ms round trip',
    work: many,
    ...noop,
    roundTrip: 50,
    aims: [{ ratio: 3, than: ['rsync'] }, { ratio: 3, than: rclones }, memory],
  },
  {
    name: 'renames-50ms',
    about:
      'mirror of 5,000 files of 200 B to 20 KB whose 50 folders were renamed at the source, 50 ms round trip',
    work: moving,
    operation: 'mirror',
    destination: 'moved',
    job: ['renames: follow'],
    peers: ['rsync', 'rclone-renames', 'ferryline-resend'],
    roundTrip: 50,
    aims: [{ ratio: 20, than: ['ferryline-resend'] }, memory],
  },
  {
    name: 'churn-50ms',
    about:
      'mirror of 100,000 files in 500 folders of which 500 have changed, 100 are new and 100 are gone, 50 ms round trip',
    work: many,
    ...noop,
    destination: 'churned',
    roundTrip: 50,
    aims: [{ ratio: 3, than: ['rsync'] }, memory],
  },
];
