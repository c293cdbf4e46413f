import { describe, expect, it } from 'vitest';
import type { Clock } from '../../ts/lib/clock.js';
import { atOnce, inTurns, joined, piecewise, type Sliced } from '../../ts/lib/slices.js';
import { ManualClock, settle } from '../http/manual-clock.js';

/** Each look at it is ten milliseconds later, so that every slice takes up a turn; turns come when they are told to. */
class SteppingClock extends ManualClock implements Clock {
  private readonly ends: (() => void)[] = [];

  override monotonic(): number {
    this.advance(10);
    return super.monotonic();
  }

  afterTurn(run: () => void): void {
    this.ends.push(run);
  }

  /** Everything that waited for the end of this turn. */
  async endTurn(): Promise<void> {
    for (const run of this.ends.splice(0)) run();
    await settle();
  }
}

function* counting(name: string, slices: number, seen: string[]): Sliced<string> {
  for (let n = 1; n <= slices; n++) {
    seen.push(`${name}${n}`);
    yield;
  }
  return name;
}

describe('work in slices', () => {
  it('goes on in the next turn, and whatever came meanwhile has had its own', async () => {
    const clock = new SteppingClock();
    const seen: string[] = [];
    const result = inTurns(clock, counting('a', 3, seen));
    await settle();
    expect(seen).toEqual(['a1']);
    await clock.endTurn();
    expect(seen).toEqual(['a1', 'a2']);
    for (let turn = 0; turn < 3; turn++) await clock.endTurn();
    await expect(result).resolves.toBe('a');
    expect(seen).toEqual(['a1', 'a2', 'a3']);
  });

  it('of many at once takes one slice in a turn, each in its order, and what fails keeps nobody waiting', async () => {
    const clock = new SteppingClock();
    const seen: string[] = [];
    function* failing(): Sliced<never> {
      seen.push('f1');
      yield;
      throw new RangeError('no');
    }
    const a = inTurns(clock, counting('a', 3, seen));
    const failed = expect(inTurns(clock, failing())).rejects.toThrow('no');
    const b = inTurns(clock, counting('b', 2, seen));
    const perTurn: string[][] = [];
    for (let turn = 0; turn < 12; turn++) {
      await settle();
      perTurn.push(seen.splice(0));
      await clock.endTurn();
    }
    await failed;
    await expect(Promise.all([a, b])).resolves.toEqual(['a', 'b']);
    expect(perTurn.filter((turn) => turn.length > 1)).toEqual([]);
    expect(perTurn.flat()).toEqual(['a1', 'a2', 'f1', 'b1', 'a3', 'b2']);
    const later: string[] = [];
    void inTurns(clock, counting('c', 1, later));
    await settle();
    expect(later).toEqual(['c1']);
  });

  it('is done in a row where a clock knows no turns', async () => {
    const seen: string[] = [];
    await expect(inTurns(new ManualClock(), counting('a', 3, seen))).resolves.toBe('a');
    expect(seen).toEqual(['a1', 'a2', 'a3']);
  });

  it('joins and hands over every byte once, in order, with rests in large ones', () => {
    const pieces = [700_000, 1, 0, 900_000, 2_500_000].map((size, n) => new Uint8Array(size).fill(n + 1));
    const whole = atOnce(joined(pieces));
    expect(Buffer.compare(whole, Buffer.concat(pieces))).toBe(0);
    expect([...joined(pieces)].length).toBeGreaterThan(1);
    const handed: Uint8Array[] = [];
    expect([...piecewise(whole, (piece) => handed.push(piece))].length).toBeGreaterThan(3);
    expect(Buffer.compare(Buffer.concat(handed), whole)).toBe(0);
  });
});
