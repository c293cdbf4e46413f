import { expect, it } from 'vitest';
import { PieceSize } from '../../ts/lib/piece-size.js';

it('pieces are large while streams are few, small while they are many, and large again', () => {
  const size = new PieceSize({ total: 1_000, least: 10, most: 400 });
  expect(size.bytes).toBe(400);
  const leave = [size.enter(), size.enter()];
  expect(size.bytes).toBe(400);
  leave.push(size.enter());
  expect(size.bytes).toBe(200);
  for (let n = 0; n < 300; n += 1) leave.push(size.enter());
  expect(size.bytes).toBe(10);
  for (const go of leave.slice(2)) go();
  for (const go of leave.slice(2)) go();
  expect(size.bytes).toBe(400);
});
