import { type IRegistryConfig, SmartRegistry } from 'entrepot';

const { S3_ENDPOINT: endpoint, S3_BUCKET: bucketName = '', S3_KEY: accessKey = '', S3_SECRET: accessSecret = '' } = process.env;
const storage: IRegistryConfig['storage'] =
  endpoint === undefined ? { driver: 'memory' } : { endpoint, bucketName, accessKey, accessSecret, region: 'us-east-1' };

const registry = new SmartRegistry({
  storage,
  auth: { jwtSecret: 'a-secret-of-at-least-32-bytes-1234', adminToken: 'an-administrator-of-the-samples-only' },
  npm: { enabled: true },
});

export default {
  async fetch(request: Request): Promise<Response> {
    // Where nothing may be opened before the first request. Once it is open, this costs nothing.
    await registry.init();
    return registry.fetch(request);
  },
};
