/** A Range header on content of `size` bytes. `part`: the answer is 206 with these bytes; else the status alone (RFC 9110 §14.2). */
export interface RangeRow {
  readonly range: string;
  readonly expected: (size: number) => readonly [start: number, end: number] | 200 | 416;
}

const part = (range: string, expected: (size: number) => readonly [number, number]): RangeRow => ({ range, expected });
const whole = (...ranges: readonly string[]): readonly RangeRow[] => ranges.map((range) => ({ range, expected: () => 200 }));
const none = (...ranges: readonly string[]): readonly RangeRow[] => ranges.map((range) => ({ range, expected: () => 416 }));

export const RANGES: readonly RangeRow[] = [
  part('bytes=0-0', () => [0, 0]),
  part('bytes=0-3', () => [0, 3]),
  part('bytes=5-', (size) => [5, size - 1]),
  part('bytes=-1', (size) => [size - 1, size - 1]),
  part('bytes=-7', (size) => [size - 7, size - 1]),
  part('BYTES=0-1', () => [0, 1]),
  part('bytes= 1-2', () => [1, 2]),
  part('bytes=0-99999999999999999999999999', (size) => [0, size - 1]),
  part('bytes=-99999999999999999999999999', (size) => [0, size - 1]),
  part(`bytes=${'0'.repeat(500)}1-2`, () => [1, 2]),
  ...none('bytes=99999999-', 'bytes=99999999999999999999999999-', 'bytes=-0', 'bytes=99999999-99999999'),
  ...whole('bytes=', 'bytes=-', 'bytes', '=', 'bytes=a-b', 'bytes=0-a', 'bytes=0', 'bytes=1.5-2', 'bytes=+1-2', 'bytes=0x1-0x2'),
  ...whole('bytes=--1', 'bytes=1--2', 'bytes=0-0,', 'bytes=,0-0', 'bytes=0-1,3-4', 'bytes=0-,0-,0-,0-'),
  ...whole('items=0-1', 'bytes 0-1', 'bytes:0-1', 'bytes=0-1;', '0-1', 'bytes==0-1', 'bytes=NaN-Infinity', 'bytes=1e1-2e1'),
  ...whole(`bytes=${'0-0,'.repeat(1_000)}0-0`, `bytes=${'-'.repeat(5_000)}`, `bytes=${' '.repeat(5_000)}x`),
];
