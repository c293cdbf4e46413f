import { S3Driver, type S3DriverOptions } from '../../ts/storage/drivers/s3.js';
import type { RunningS3 } from './versitygw.js';

/** A driver for a running server. */
export const driverFor = (
  server: Pick<RunningS3, 'endpoint' | 'accessKey' | 'secretKey' | 'bucket'>,
  options: Partial<S3DriverOptions> = {},
): S3Driver =>
  new S3Driver({
    bucket: server.bucket,
    endpoint: server.endpoint,
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    ...options,
  });
