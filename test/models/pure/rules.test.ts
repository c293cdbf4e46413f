import { describe, expect, it } from 'vitest';
import { exploreModel, type Model } from './explore.js';
import { feedModel } from './feed.js';
import { floorModel } from './floor.js';
import { freshnessModel, sharedLookModel } from './freshness.js';
import { ociModel } from './oci-collection.js';

/** CI takes the larger ones. */
const whole = Boolean(process.env['REQUIRE_CLIENTS']);
const FEED = { tries: whole ? 2 : 1, rounds: [1, 1] };
const FRESH = { markersFirst: true, marksShared: true, settlesEarlierOnly: true };

function holds<W, M extends object>(model: Model<W, M>, atLeast: number): void {
  const { wrong, steps, states } = exploreModel(model);
  expect(wrong, steps.join('\n')).toBeUndefined();
  // a model whose processes cannot move holds as well
  expect(states).toBeGreaterThan(atLeast);
}

function fails<W, M extends object>(model: Model<W, M>, why: string): void {
  const { wrong, steps } = exploreModel(model);
  expect(wrong).toBe(why);
  expect(steps.length).toBeGreaterThan(3);
}

describe('a floor just above the condemned, committed before the delete', () => {
  it('holds', () => holds(floorModel({ commitsFloor: true }), 10_000));
  it('is needed: by age alone, acknowledged bytes go', () =>
    fails(floorModel({ commitsFloor: false }), 'acknowledged bytes are gone'));
});

describe('markers before, feed behind', () => {
  it('holds', { timeout: 300_000 }, () => holds(feedModel({ commitsFloor: true }, FEED), whole ? 100_000 : 10_000));
  it('needs the floor before an expired marker goes', () =>
    fails(feedModel({ commitsFloor: false }, FEED), 'a committed change is neither in the feed nor marked'));
});

describe('markers first, then the feed', () => {
  const wrong = 'a request does not see what was acknowledged before it began';
  it('holds', { timeout: 300_000 }, () => holds(freshnessModel(FRESH, whole ? 2 : 1), 5_000));
  it('not in the other order', () => fails(freshnessModel({ ...FRESH, markersFirst: false }, 1), wrong));
  it('not where the feed moves on before the package is marked', () =>
    fails(freshnessModel({ ...FRESH, marksShared: false }, 1), wrong));
  it('not where a re-read answers later probes', () => fails(freshnessModel({ ...FRESH, settlesEarlierOnly: false }, 1), wrong));
});

describe('one look for all requests that have arrived before it', () => {
  const sizes: readonly [number, number][] = whole
    ? [
        [1, 3],
        [2, 2],
      ]
    : [[1, 2]];
  it.each([...sizes])('holds for %i changes and %i requests', { timeout: 300_000 }, (changes, requests) =>
    holds(sharedLookModel({ waitsForNext: true }, changes, requests), 1_000),
  );
  it('not where a look that has begun is shared', () =>
    fails(sharedLookModel({ waitsForNext: false }, 1, 3), 'a request does not see what was acknowledged before it began'));
});

describe('a blob is dropped in the log before its bytes go', () => {
  const wrong = 'a manifest was acknowledged and its layer is gone';
  it('holds', () => holds(ociModel({ dropFirst: true, validatesAgain: true }), 1_000));
  it('not with the delete first', () => fails(ociModel({ dropFirst: false, validatesAgain: true }), wrong));
  it('not where a manifest is not validated again', () => fails(ociModel({ dropFirst: true, validatesAgain: false }), wrong));
});
