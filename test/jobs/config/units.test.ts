import { describe, expect, it } from 'vitest';
import {
  parseDuration,
  parseMode,
  parsePercent,
  parseRate,
  parseSize,
} from '../../../src/jobs/config/units.js';

const no = undefined;

describe('units', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['15m', 900_000],
    ['2h', 7_200_000],
    ['1h30m', 5_400_000],
    ['30d', 2_592_000_000],
    ['1w', 604_800_000],
    ['0s', 0],
    ['30', no],
    ['', no],
    ['s', no],
    ['-1s', no],
    ['1 s', no],
    ['1S', no],
    ['1M', no],
    ['1e3s', no],
    ['1s ', no],
    ['999999999w', no],
  ])('duration %j is %j ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each<[string | number, number | undefined]>([
    [0, 0],
    [4096, 4096],
    ['0', 0],
    ['512', 512],
    ['512B', 512],
    ['1K', 1024],
    ['64KiB', 65_536],
    ['10MiB', 10_485_760],
    ['10M', 10_485_760],
    ['10MB', 10_000_000],
    ['500kB', 500_000],
    ['1.5 GB', 1_500_000_000],
    ['2TiB', 2_199_023_255_552],
    ['1k', 1024],
    [-1, no],
    [1.5, no],
    ['-1', no],
    ['1X', no],
    ['1mb', no],
    ['MiB', no],
    ['', no],
    ['999999999999999TiB', no],
  ])('size %j is %j bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each([
    ['20MiB/s', 20_971_520],
    ['500kB/s', 500_000],
    ['10M', 10_485_760],
    ['1B/s', 1],
    ['0B/s', no],
    ['20', no],
    ['20MiB/m', no],
    ['/s', no],
  ])('rate %j is %j bytes a second', (text, rate) => expect(parseRate(text)).toBe(rate));

  it.each([
    ['0644', 0o644],
    ['755', 0o755],
    ['0000', 0],
    ['4755', no],
    ['0888', no],
    ['00644', no],
    ['u+x', no],
  ])('mode %j is %j', (text, mode) => expect(parseMode(text)).toBe(mode));

  it.each([
    ['0%', 0],
    ['50%', 50],
    ['0.5%', 0.5],
    ['100%', 100],
    ['101%', no],
    ['100.5%', no],
    ['-1%', no],
    ['50', no],
    ['%', no],
  ])('share %j is %j', (text, percent) => expect(parsePercent(text)).toBe(percent));
});
