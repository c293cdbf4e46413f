import { describe, expect, it } from 'vitest';
import { composePlan, MIN_PART, type Segment } from '../../ts/storage/drivers/s3-compose-plan.js';
import { answer } from '../servers/fake-s3.js';
import { kindOf, MIB, s3Fixture } from './s3-fixture.js';

const slicesOf = (segment: Segment) => ('copied' in segment ? [segment.copied] : segment.joined);
const bytesOf = (segment: Segment): number => slicesOf(segment).reduce((sum, { length }) => sum + length, 0);
const planOf = (...sizes: number[]) =>
  composePlan(sizes.map((size, at) => ({ key: `k${at}`, size }))).segments.map((segment) =>
    'copied' in segment ? `copy ${bytesOf(segment)}` : `join ${bytesOf(segment)}`,
  );

describe('how pieces become the parts of a multipart upload', () => {
  it('large ones are copied, small ones joined, and what is missing to a legal part comes from the next one', () => {
    expect(planOf(6 * MIB, 7 * MIB)).toEqual([`copy ${6 * MIB}`, `copy ${7 * MIB}`]);
    expect(planOf(1, 12 * MIB)).toEqual([`join ${5 * MIB}`, `copy ${7 * MIB + 1}`]);
    expect(planOf(1, 9 * MIB, 3)).toEqual([`join ${5 * MIB}`, `join ${4 * MIB + 4}`]);
    expect(planOf(3 * MIB, 3 * MIB, 3 * MIB, 64 * MIB, 1)).toEqual([
      `join ${5 * MIB}`,
      `join ${5 * MIB}`,
      `copy ${63 * MIB}`,
      'join 1',
    ]);
    expect(planOf(0, 0)).toEqual([]);
    expect(planOf(700 * MIB)).toEqual([`copy ${350 * MIB}`, `copy ${350 * MIB}`]);
  });

  it('every plan is legal and has every byte once, in order', () => {
    let seed = 7;
    const dice = (below: number): number => {
      seed = (seed * 1_664_525 + 1_013_904_223) % 2 ** 32;
      return Math.floor((seed / 2 ** 32) * below);
    };
    for (let round = 0; round < 300; round++) {
      const pieces = Array.from({ length: 1 + dice(12) }, (_, at) => ({
        key: `k${at}`,
        size: dice([3, 2 * MIB, 6 * MIB, 20 * MIB, 2_000 * MIB][dice(5)] ?? 1),
      }));
      const { segments, buffer } = composePlan(pieces);
      const wanted = pieces.flatMap(({ key, size }) => (size > 0 ? [`${key} 0-${size}`] : []));
      const got: { key: string; start: number; end: number }[] = [];
      for (const { key, start, length } of segments.flatMap(slicesOf)) {
        expect(length).toBeGreaterThan(0);
        const before = got.at(-1);
        if (before?.key === key && before.end === start) before.end += length;
        else got.push({ key, start, end: start + length });
      }
      expect(got.map(({ key, start, end }) => `${key} ${start}-${end}`)).toEqual(wanted);
      for (const segment of segments.slice(0, -1)) expect(bytesOf(segment)).toBeGreaterThanOrEqual(MIN_PART);
      for (const segment of segments) {
        if ('joined' in segment) expect(bytesOf(segment)).toBeLessThanOrEqual(buffer);
        else expect(bytesOf(segment)).toBeLessThanOrEqual(1_024 * MIB);
      }
    }
  });

  it('has at most 10,000 parts, or is none', () => {
    const many = Array.from({ length: 10_000 }, (_, at) => ({ key: `k${at}`, size: at % 2 === 0 ? 1 : 11 * MIB }));
    const { segments, buffer } = composePlan(many);
    expect(segments.length).toBeLessThanOrEqual(10_000);
    expect(buffer).toBeLessThanOrEqual(64 * MIB);
    expect(() => composePlan([{ key: 'k', size: 10 * 1024 ** 4 }])).toThrow(/too many pieces/);
  });
});

describe('S3 joins', () => {
  const on = s3Fixture();
  const put = (...sizes: number[]) =>
    sizes.map((size, at) => {
      on.fake.store.put(`objects/${at}`, Buffer.alloc(size, at + 1));
      return { key: `objects/${at}`, size };
    });
  const whole = (...sizes: number[]): Buffer => Buffer.concat(sizes.map((size, at) => Buffer.alloc(size, at + 1)));
  const expectJoined = (...sizes: number[]): void =>
    expect(on.fake.store.objects.get('objects/to')?.body.equals(whole(...sizes))).toBe(true);

  it('are made by the store, but for small pieces', async () => {
    const sizes = [6 * MIB, 12 * MIB, 7];
    expect(await on.driver.compose(put(...sizes), 'objects/to')).toBe('written');
    expectJoined(...sizes);
    expect([on.fake.count('copy-part'), on.fake.count('part'), on.fake.count('get')]).toEqual([2, 1, 1]);
    expect(on.fake.store.uploads.size).toBe(0);
  });

  it('small ones alone are one plain write', async () => {
    expect(await on.driver.compose(put(3, 0, 5, MIB), 'objects/to')).toBe('written');
    expectJoined(3, 0, 5, MIB);
    expect([on.fake.count('put'), on.fake.count('create-upload')]).toEqual([1, 0]);
  });

  it('a piece that goes away on the way is absent, any other failure is told; no upload stays open', async () => {
    const pieces = put(6 * MIB, 6 * MIB, 6 * MIB);
    on.fake.fail('copy-part', answer(404, 'NoSuchKey'));
    expect(await on.driver.compose(pieces, 'objects/to')).toBe('absent');
    on.fake.fail('copy-part', answer(403, 'AccessDenied'));
    expect(await kindOf(on.driver.compose(pieces, 'objects/to'))).toBe('denied');
    on.fake.fail('copy-part', answer(500, 'InternalError'), 9);
    expect(await kindOf(on.driver.compose(pieces, 'objects/to'))).toBe('unavailable');
    on.fake.fail('copy-part', answer(200, 'InternalError'), 9);
    expect(await kindOf(on.driver.compose(pieces, 'objects/to'))).toBe('unavailable');
    expect(on.fake.store.objects.has('objects/to')).toBe(false);
    expect(on.fake.store.uploads.size).toBe(0);
  });

  it.each([
    ['copy-part', 501, 'NotImplemented'],
    ['complete', 400, 'InvalidPart'],
  ] as const)(
    'a store that refuses (%s: %i) gets the bytes as a stream, and is not asked again',
    async (operation, status, code) => {
      const pieces = put(6 * MIB, 7 * MIB);
      const { driver } = on;
      on.fake.fail(operation, answer(status, code), operation === 'complete' ? 1 : 2);
      expect(await driver.compose(pieces, 'objects/to')).toBe('written');
      expectJoined(6 * MIB, 7 * MIB);
      const asked = on.fake.count('copy-part');
      expect(await driver.compose(pieces, 'objects/to')).toBe('written');
      expect(on.fake.count('copy-part')).toBe(asked);
      expect(on.fake.store.uploads.size).toBe(0);
    },
  );
});
