import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StorageError } from '../../ts/storage/storage-error.js';
import { lacksVersitygw } from '../servers/binaries.js';
import { driverFor } from '../servers/s3-driver.js';
import { type RunningS3, sdkClient, startVersitygw } from '../servers/versitygw.js';
import { bytes, chunks, MIB, readAll } from './s3-fixture.js';

describe.skipIf(lacksVersitygw('1.8.0'))('two S3 drivers on one bucket', () => {
  let server: RunningS3;
  let second: RunningS3;
  beforeAll(async () => {
    server = await startVersitygw({ version: '1.8.0' });
    second = await startVersitygw({ version: '1.8.0', dir: server.dir });
  });
  afterAll(async () => {
    await second?.stop();
    await server?.stop();
  });

  it('C1: 200 slots raced by two instances over two gateways: each is won once, and holds the winner’s bytes', async () => {
    const drivers = [driverFor(server), driverFor(second)];
    for (let slot = 0; slot < 200; slot += 1) {
      const key = `log/r/p/${String(slot).padStart(10, '0')}.jsonl`;
      const contenders = drivers.flatMap((driver, instance) =>
        [0, 1].map((writer) => ({ driver, text: `${instance}-${writer}` })),
      );
      const answers = await Promise.all(
        contenders.map(({ driver, text }) =>
          driver.write(key, bytes(text), { ifAbsent: true }).catch((error: unknown) => {
            if (error instanceof StorageError && error.kind === 'conflict') return 'conflict';
            throw error;
          }),
        ),
      );
      const winners = contenders.filter((_, index) => answers[index] === 'written');
      expect(winners).toHaveLength(1);
      for (const driver of drivers) {
        const found = await driver.read(key);
        expect((await readAll(found?.body ?? new Uint8Array())).toString()).toBe(winners[0]?.text);
      }
    }
    for (const driver of drivers) await driver.close();
  });

  it('markers that come and go beside each other are never lost', async () => {
    const drivers = [driverFor(server), driverFor(second)];
    const rounds = 60;
    await Promise.all(
      drivers.flatMap((driver, instance) =>
        [0, 1, 2].map(async (writer) => {
          for (let round = 0; round < rounds; round += 1) {
            const key = `pending/busy/${instance}-${writer}-${round}`;
            await driver.write(key, bytes(key));
            expect(await drivers[1 - instance]?.stat(key), key).toMatchObject({ size: key.length });
            await driver.delete([key]);
            expect(await driver.stat(key)).toBeUndefined();
          }
        }),
      ),
    );
    expect((await drivers[0]?.list('pending/'))?.objects).toEqual([]);
    for (const driver of drivers) await driver.close();
  });

  it('long bodies, ranges, copies, listings and deletes', async () => {
    const driver = driverFor(server, { maxSingleCopy: 6 * MIB });
    await driver.write('objects/r/p/long', chunks(20, MIB, 5));
    expect(await driver.stat('objects/r/p/long')).toMatchObject({ size: 20 * MIB });
    const part = await driver.read('objects/r/p/long', { range: { start: 8 * MIB - 2, end: 8 * MIB + 1 } });
    expect(part).toMatchObject({ size: 20 * MIB, body: new Uint8Array([5, 5, 5, 5]) });
    expect(await driver.copy('objects/r/p/long', 'objects/r/p/copy')).toBe('written');
    const copied = await driver.read('objects/r/p/copy');
    expect((await readAll(copied?.body ?? new Uint8Array())).equals(Buffer.alloc(20 * MIB, 5))).toBe(true);
    expect((await driver.list('objects/')).objects.map(({ key }) => key)).toEqual(['objects/r/p/copy', 'objects/r/p/long']);
    await driver.delete(['objects/r/p/long', 'objects/r/p/copy', 'objects/r/p/missing']);
    expect((await driver.list('objects/')).objects).toEqual([]);
    await driver.close();
  });

  it('G4: failing bodies leave no object and no open multipart', async () => {
    const driver = driverFor(server);
    for (let round = 0; round < 10; round += 1) {
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield* chunks(round * 3, MIB);
        throw new Error('client gone');
      }
      await expect(driver.write(`objects/bad/${round}`, failing())).rejects.toThrow('client gone');
    }
    expect((await driver.list('objects/bad/')).objects).toEqual([]);
    const client = sdkClient(server);
    const open = await client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket }));
    expect(open.Uploads ?? []).toEqual([]);
    client.destroy();
    await driver.close();
  });

  it('the store’s clock is in whole seconds or better, and the same in stat, read and list', async () => {
    const driver = driverFor(server);
    await driver.write('derived/time', bytes('t'));
    const [stat, read, list] = [
      await driver.stat('derived/time'),
      await driver.read('derived/time'),
      await driver.list('derived/time'),
    ];
    expect(Math.abs((stat?.modified ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(read?.modified).toBe(stat?.modified);
    expect(Math.abs((list.objects[0]?.modified ?? 0) - (stat?.modified ?? 0))).toBeLessThan(1_000);
    await driver.close();
  });
});
