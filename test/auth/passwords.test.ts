import { describe, expect, it } from 'vitest';
import { Passwords } from '../../ts/auth/passwords.js';
import { rig } from './rig.js';

const cheap = { n: 2 ** 4 };

describe('passwords', () => {
  it.each([
    ['NUL inside', 'abc\0defgh', 'abc\0defgx'],
    ['NUL at the end', 'abcdefgh', 'abcdefgh\0'],
    ['NULs up to a block', 'abcdefgh', `abcdefgh${'\0'.repeat(56)}`],
    ['73rd byte', `${'x'.repeat(72)}a`, `${'x'.repeat(72)}b`],
    ['1,024th byte', `${'x'.repeat(1_023)}a`, `${'x'.repeat(1_023)}b`],
    ['beyond the longest', 'x'.repeat(1_024), 'x'.repeat(1_025)],
    ['case', 'Password-1', 'password-1'],
    ['composed and decomposed', 'caf\u00e9-noir', 'cafe\u0301-noir'],
  ])('A14: every byte counts: %s', async (_, right, other) => {
    const passwords = new Passwords(cheap);
    const record = await passwords.hash(right);
    expect(await passwords.verify(right, record)).toBe(true);
    expect(await passwords.verify(other, record)).toBe(false);
    expect(JSON.stringify(record)).not.toContain(right);
  });

  it.each([
    ['empty', ''],
    ['seven bytes', '1234567'],
    ['more than 1,024 bytes', 'x'.repeat(1_025)],
    ['more than 1,024 bytes in few characters', 'ü'.repeat(513)],
  ])('A14: %s cannot be set', async (_, password) => {
    await expect(new Passwords(cheap).hash(password)).rejects.toMatchObject({ kind: 'invalid' });
  });

  it("two hashes of one password differ, and neither fits the other's salt", async () => {
    const passwords = new Passwords(cheap);
    const [one, two] = [await passwords.hash('pass-Word-4711'), await passwords.hash('pass-Word-4711')];
    expect(one.hash).not.toBe(two.hash);
    expect(await passwords.verify('pass-Word-4711', { ...one, salt: two.salt })).toBe(false);
  });

  it('cost at least 32 MiB each unless told otherwise, and a stored cost beyond reason is not paid', async () => {
    const passwords = new Passwords();
    const record = await passwords.hash('pass-Word-4711');
    expect(record.n * record.r * 128).toBeGreaterThanOrEqual(32 * 1_024 * 1_024);
    expect(await new Passwords(cheap).verify('pass-Word-4711', record)).toBe(true);
    expect(await new Passwords(cheap).verify('pass-Word-4711', { ...record, n: 2 ** 30 })).toBe(false);
  });

  it('are checked a bounded number at a time; the rest waits, and beyond the queue is told to come back', async () => {
    const passwords = new Passwords({ n: 2 ** 12, concurrency: 2, queue: 3 });
    const record = await passwords.hash('pass-Word-4711');
    const answers = await Promise.allSettled(Array.from({ length: 8 }, () => passwords.verify('pass-Word-4711', record)));
    expect(answers.filter((answer) => answer.status === 'fulfilled' && answer.value)).toHaveLength(5);
    for (const answer of answers) if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ kind: 'rate_limited' });
    expect(await passwords.verify('pass-Word-4711', record)).toBe(true);
  });

  it('A11: unknown, wrong, disabled and without a password cost the same and answer the same', async () => {
    const { directory, provider, manager } = await rig();
    const password = 'pass-Word-4711';
    await directory.addUser({ name: 'bob', password });
    await directory.addUser({ name: 'tokens-only' });
    await directory.setDisabled((await directory.addUser({ name: 'gone', password })).id, true);
    let checks = 0;
    const verify = directory.passwords.verify.bind(directory.passwords);
    directory.passwords.verify = async (...args) => {
      checks++;
      return verify(...args);
    };
    for (const username of ['nobody', 'bob\0', '', 'tokens-only', 'gone', 'bob']) {
      const before = checks;
      expect(await provider.authenticate({ username, password: username === 'bob' ? 'wrong-Word-4711' : password })).toBeNull();
      expect(await manager.authenticate({ username, password: 'x'.repeat(5_000) })).toBeNull();
      expect(checks - before).toBe(2);
    }
    expect(await provider.authenticate({ username: 'BOB', password })).not.toBeNull();
  });

  it('A17: a right password is remembered for a minute, and forgotten when it, or its user, changes on any instance', async () => {
    const { directory, provider, another, clock } = await rig();
    const other = await another();
    const [first, second] = ['pass-Word-4711', 'other-Word-4711'];
    const { id } = await directory.addUser({ name: 'bob', password: first });
    let checks = 0;
    const verify = directory.passwords.verify.bind(directory.passwords);
    directory.passwords.verify = async (...args) => {
      checks++;
      return verify(...args);
    };
    const ask = (password: string) => provider.authenticate({ username: 'bob', password });
    for (let n = 0; n < 5; n++) expect(await ask(first)).toBe(id);
    expect(checks).toBe(1);
    clock.time += 60_000;
    expect(await ask(first)).toBe(id);
    expect(checks).toBe(2);
    await other.directory.setPassword(id, second);
    expect(await ask(first)).toBeNull();
    expect(await ask(second)).toBe(id);
    await other.directory.setDisabled(id, true);
    expect(await ask(second)).toBeNull();
  });
});
