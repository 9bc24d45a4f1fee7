/**
 * Wall clocks of time zones, by Intl. A wall is what the clock on the wall shows, as the milliseconds
 * since the epoch that the same digits would be in UTC; arithmetic on walls ignores DST.
 */

/** A span without a change of the zone's clock: wall = instant + offset. */
interface Piece {
  /** Milliseconds since the epoch; whole seconds. */
  readonly from: number;
  /** Exclusive. */
  readonly until: number;
  readonly offset: number;
}

export interface Zone {
  /** Such as `Europe/Berlin`. */
  readonly name: string;
  /** The wall at an instant. */
  wall(instant: number): number;
  /** Contiguous pieces, starting with the one that contains `from`; infinite. */
  pieces(from: number): Generator<Piece, never>;
}

const weekMs = 604_800_000;
const zones = new Map<string, Zone>();

/** The zone of that name, which Intl must know, or the system's. The same object for the same name. */
export function zoneNamed(name: string = systemZone()): Zone {
  let zone = zones.get(name);
  if (zone === undefined) {
    zone = createZone(name);
    zones.set(name, zone);
  }
  return zone;
}

let ofSystem: string | undefined;

/** Intl names no zone when it does not know the system's; it uses UTC then. Asked once: Intl takes 0.15 ms, and a process keeps its zone. */
function systemZone(): string {
  ofSystem ??= new Intl.DateTimeFormat().resolvedOptions().timeZone ?? 'UTC';
  return ofSystem;
}

function createZone(name: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: name,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  /** At whole seconds. */
  const offset = (instant: number) => {
    const [month = 1, day = 1, year = 0, hour = 0, minute = 0, second = 0] = format
      .format(instant)
      .split(/\D+/)
      .map(Number);
    return Date.UTC(year, month - 1, day, hour, minute, second) - instant;
  };

  /** The pieces of a week since the epoch: one, or two where the offset changes within it. */
  const piecesOf = (index: number): readonly Piece[] => {
    const from = index * weekMs;
    const until = from + weekMs;
    const before = offset(from);
    if (offset(until) === before) return [{ from, until, offset: before }];
    let last = from;
    let change = until;
    while (change - last > 1000) {
      const middle = last + Math.floor((change - last) / 2000) * 1000;
      if (offset(middle) === before) last = middle;
      else change = middle;
    }
    if (change === until) return [{ from, until, offset: before }];
    return [
      { from, until: change, offset: before },
      { from: change, until, offset: offset(change) },
    ];
  };

  const known = new Map<number, readonly Piece[]>();
  const knownPiecesOf = (index: number): readonly Piece[] => {
    let pieces = known.get(index);
    if (pieces === undefined) {
      pieces = piecesOf(index);
      known.set(index, pieces);
    }
    return pieces;
  };
  return {
    name,
    wall(instant) {
      // Intl takes 5 µs, too much for each of 20,000 slots.
      const pieces = knownPiecesOf(Math.floor(instant / weekMs));
      return instant + (pieces.find(({ until }) => until > instant)?.offset ?? 0);
    },
    *pieces(from) {
      for (let index = Math.floor(from / weekMs); ; index++)
        for (const piece of knownPiecesOf(index)) if (piece.until > from) yield piece;
    },
  };
}
