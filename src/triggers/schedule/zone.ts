/**
 * Wall clocks of time zones, by Intl. A wall is what the clock on the wall shows, written as the
 * milliseconds that the same digits would be in UTC; arithmetic on walls knows no DST.
 */

/** A time during which a zone's clock runs evenly: wall = instant + offset. */
interface Piece {
  /** Milliseconds since the epoch; whole seconds. */
  readonly from: number;
  /** Not part of it any more. */
  readonly until: number;
  readonly offset: number;
}

export interface Zone {
  /** Such as `Europe/Berlin`. */
  readonly name: string;
  /** The wall at an instant. */
  wall(instant: number): number;
  /** Pieces without a hole between them, the first one holding `from`, for ever. */
  pieces(from: number): Generator<Piece, never>;
}

const week = 604_800_000;
const zones = new Map<string, Zone>();

/** The zone of that name (one Intl takes), or the system's. The same object for the same name. */
export function zoneNamed(name: string = systemZone()): Zone {
  let zone = zones.get(name);
  if (zone === undefined) {
    zone = createZone(name);
    zones.set(name, zone);
  }
  return zone;
}

/** Intl names none when the system's is unknown to it, and then reckons in UTC. */
function systemZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone ?? 'UTC';
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
    const from = index * week;
    const until = from + week;
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
  return {
    name,
    wall: (instant) => instant + offset(Math.floor(instant / 1000) * 1000),
    *pieces(from) {
      for (let index = Math.floor(from / week); ; index++) {
        let pieces = known.get(index);
        if (pieces === undefined) {
          pieces = piecesOf(index);
          known.set(index, pieces);
        }
        for (const piece of pieces) if (piece.until > from) yield piece;
      }
    },
  };
}
