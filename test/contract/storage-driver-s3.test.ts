import { afterAll, beforeAll, describe, it } from 'vitest';
import { checked } from '../../ts/storage/checked-driver.js';
import type { StorageDriver } from '../../ts/storage/driver.js';
import { reasonToSkip, storageDriverCases } from '../../ts/testing/storage-driver.js';
import { lacksVersitygw } from '../servers/binaries.js';
import { driverFor } from '../servers/s3-driver.js';
import { type RunningS3, startVersitygw } from '../servers/versitygw.js';

describe.skipIf(lacksVersitygw('1.8.0'))('the contract of storage drivers: S3 on versitygw 1.8.0', () => {
  let server: RunningS3;
  let made = 0;
  const drivers: StorageDriver[] = [];
  beforeAll(async () => {
    server = await startVersitygw({ version: '1.8.0' });
  });
  afterAll(async () => {
    for (const driver of drivers) await driver.close?.();
    await server?.stop();
  });

  /** Each driver has a folder of the bucket to itself. */
  async function make(): Promise<StorageDriver> {
    made += 1;
    const driver = checked<StorageDriver>(driverFor(server, { prefix: `contract-${made}` }));
    drivers.push(driver);
    return driver;
  }

  const sample = checked<StorageDriver>(
    driverFor({ endpoint: 'http://s3.example', bucket: 'b', accessKey: 'k', secretKey: 's' }),
  );
  for (const example of storageDriverCases) {
    const reason = reasonToSkip(example, sample);
    if (reason) it.skip(`${example.name} (${reason})`, () => undefined);
    else it(example.name, () => example.run(make));
  }
});
