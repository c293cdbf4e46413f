import { describe, expect, it } from 'vitest';
import { answer, type Fault } from '../servers/fake-s3.js';
import { kindOf, MIB, s3Fixture } from './s3-fixture.js';

describe('S3 listings', () => {
  const on = s3Fixture();

  it('S8: 2,500 keys in pages, in order, each once; never with an encoding type', async () => {
    for (let index = 0; index < 2_500; index += 1) on.fake.store.put(`log/p/${String(index).padStart(6, '0')}`, Buffer.from('x'));
    on.fake.store.put('log/other', Buffer.from('x'));
    const keys: string[] = [];
    let after: string | undefined;
    do {
      const page = await on.driver.list('log/p/', { after });
      keys.push(...page.objects.map(({ key }) => key));
      after = page.next;
    } while (after !== undefined);
    expect(keys).toHaveLength(2_500);
    expect(keys).toEqual([...keys].sort());
    const lists = on.fake.requests.filter(({ operation }) => operation === 'list');
    expect(lists).toHaveLength(3);
    expect(lists.every(({ query }) => !query.has('encoding-type') && !query.has('delimiter'))).toBe(true);
  });

  it('limit and after; size and time of each object', async () => {
    for (const name of ['a', 'b', 'c']) on.fake.store.put(`x/${name}`, Buffer.from(name));
    const page = await on.driver.list('x/', { after: 'x/a', limit: 1 });
    expect(page.objects).toEqual([{ key: 'x/b', size: 1, modified: on.fake.store.objects.get('x/b')?.modified }]);
    expect(page.next).toBe('x/b');
    expect(await on.driver.list('y/')).toEqual({ objects: [] });
  });

  it('folder markers of other tools are no objects', async () => {
    on.fake.store.put('x/', Buffer.alloc(0));
    on.fake.store.put('x/a', Buffer.from('a'));
    expect((await on.driver.list('x/')).objects.map(({ key }) => key)).toEqual(['x/a']);
  });
});

describe('S3 deletes', () => {
  const on = s3Fixture();

  it('one key is one plain call, many go in batches of 1,000 with a checksum', async () => {
    on.fake.store.put('x/one', Buffer.from('1'));
    await on.driver.delete(['x/one']);
    expect(on.fake.requests.map(({ operation }) => operation)).toEqual(['delete']);
    const keys = Array.from({ length: 2_001 }, (_, index) => `x/${index}`);
    for (const key of keys) on.fake.store.put(key, Buffer.from('x'));
    await on.driver.delete([...keys, ...keys]);
    expect(on.fake.store.objects.size).toBe(0);
    expect(on.fake.requests.map(({ operation }) => operation)).toEqual(['delete', 'delete-many', 'delete-many', 'delete']);
  });

  it('nothing to delete is no call; what is absent is no error', async () => {
    await on.driver.delete([]);
    expect(on.fake.requests).toHaveLength(0);
    await on.driver.delete(['missing']);
    await on.driver.delete(['missing', 'too']);
  });

  it('an error for one of many keys is an error', async () => {
    const some = (code: string) =>
      `<?xml version="1.0"?><DeleteResult><Error><Key>x/b</Key><Code>${code}</Code><Message>m</Message></Error></DeleteResult>`;
    for (const [code, kind] of [
      ['AccessDenied', 'denied'],
      ['InternalError', 'unknown'],
      ['SlowDown', 'unavailable'],
      ['NoSuchKey', 'no error'],
    ] as const) {
      on.fake.fail('delete-many', {
        kind: 'answer',
        status: 200,
        body: some(code),
        headers: { 'content-type': 'application/xml' },
      });
      expect(await kindOf(on.driver.delete(['x/a', 'x/b']))).toBe(kind);
    }
  });
});

describe('S3 copies', () => {
  const on = s3Fixture();

  it('are made by the store', async () => {
    on.fake.store.put('objects/a', Buffer.from('body'));
    expect(await on.driver.copy('objects/a', 'objects/b')).toBe('written');
    expect(on.fake.store.objects.get('objects/b')?.body.toString()).toBe('body');
    expect(on.fake.count('get')).toBe(0);
    expect(await on.driver.copy('objects/missing', 'objects/c')).toBe('absent');
  });

  it('a source that goes away between the look and the copy is absent', async () => {
    on.fake.store.put('objects/a', Buffer.from('body'));
    on.fake.fail('copy', answer(404, 'NoSuchKey'));
    expect(await on.driver.copy('objects/a', 'objects/b')).toBe('absent');
    on.fake.store.put('objects/b', Buffer.from('else'));
    on.fake.fail('copy', answer(404, 'NoSuchKey'));
    expect(await on.driver.copy('objects/a', 'objects/b')).toBe('absent');
  });

  it('a copy that was made though the store says 404 (versitygw: source being deleted) is written', async () => {
    on.fake.store.put('objects/a', Buffer.from('body'));
    on.fake.fail('copy', { ...answer(404, 'NoSuchKey'), kind: 'applied-answer' } as Fault);
    expect(await on.driver.copy('objects/a', 'objects/b')).toBe('written');
    expect(on.fake.store.objects.get('objects/b')?.body.toString()).toBe('body');
  });

  it('S5: 200 with an error in its body is tried again, and is an error if it stays', async () => {
    on.fake.store.put('objects/a', Buffer.from('body'));
    on.fake.fail('copy', answer(200, 'InternalError'));
    expect(await on.driver.copy('objects/a', 'objects/b')).toBe('written');
    on.fake.fail('copy', answer(200, 'InternalError'), 3);
    expect(await kindOf(on.driver.copy('objects/a', 'objects/c'))).toBe('unknown');
    on.fake.fail('copy', { kind: 'answer', status: 200, body: '<?xml version="1.0"?><CopyObjectResult></CopyObjectResult>' });
    expect(await kindOf(on.driver.copy('objects/a', 'objects/c'))).toBe('unknown');
  });

  it('S13: what is too large for one copy goes in parts', async () => {
    const body = Buffer.alloc(16 * MIB);
    for (let at = 0; at < body.byteLength; at += MIB) body[at] = at / MIB;
    on.fake.store.put('objects/a', body);
    const driver = on.another({ maxSingleCopy: 6 * MIB });
    expect(await driver.copy('objects/a', 'objects/b')).toBe('written');
    expect(on.fake.count('copy-part')).toBe(3);
    expect(on.fake.store.objects.get('objects/b')?.body.equals(body)).toBe(true);
    on.fake.fail('copy-part', answer(404, 'NoSuchKey'));
    expect(await driver.copy('objects/a', 'objects/c')).toBe('absent');
    on.fake.fail('copy-part', answer(403, 'AccessDenied'));
    expect(await kindOf(driver.copy('objects/a', 'objects/c'))).toBe('denied');
    expect(on.fake.store.uploads.size).toBe(0);
  });
});
