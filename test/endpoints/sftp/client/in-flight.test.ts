import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InFlight, type NumberedRequest } from '../../../../src/endpoints/sftp/client/in-flight.js';

const request = (order: number) => ({ order, id: order >>> 0 });

test('it holds what a Map would, in whatever order answers arrive', () => {
  const steps = fc.array(fc.oneof(fc.constant('ask'), fc.nat()), { maxLength: 600 });
  fc.assert(
    fc.property(steps, (all) => {
      const ring = new InFlight<NumberedRequest>();
      const map = new Map<number, NumberedRequest>();
      let order = 0;
      for (const step of all) {
        if (step === 'ask') {
          const next = request(++order);
          ring.add(next);
          map.set(next.id, next);
        } else if (map.size > 0) {
          const gone = [...map.values()][step % map.size] as NumberedRequest;
          expect(ring.get(gone.id)).toBe(gone);
          ring.remove(gone);
          map.delete(gone.id);
          expect(ring.get(gone.id)).toBeUndefined();
        }
        expect(ring.size).toBe(map.size);
        expect(ring.oldest()).toBe(map.values().next().value);
      }
      expect(new Set(ring.all())).toEqual(new Set(map.values()));
      ring.clear();
      expect([ring.size, ring.all(), ring.oldest()]).toEqual([0, [], undefined]);
    }),
  );
});

test('a request that waits long is kept while thousands come and go', () => {
  const ring = new InFlight<NumberedRequest>();
  const slow = request(1);
  ring.add(slow);
  for (let order = 2; order < 10_000; order++) {
    ring.add(request(order));
    ring.remove(request(order));
  }
  expect(ring.oldest()).toBe(slow);
  expect(ring.get(1)).toBe(slow);
  expect(ring.all()).toEqual([slow]);
});

test('an id that was answered or never used has no request', () => {
  const ring = new InFlight<NumberedRequest>();
  ring.add(request(1));
  for (const id of [0, 2, 65, 1 + 2 ** 31, 0xffff_ffff]) expect(ring.get(id)).toBeUndefined();
});
