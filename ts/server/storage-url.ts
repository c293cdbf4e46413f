import type { IFilesystemStorageConfig, IMemoryStorageConfig, IS3StorageConfig } from '../config.js';
import type { ConfigProblem } from '../errors/config-error.js';

type StorageConfig = IS3StorageConfig | IFilesystemStorageConfig | IMemoryStorageConfig;

/**
 * `file:DIR`, `memory:` or `s3://BUCKET/PREFIX?endpoint=…&region=…`. What is wrong goes to `problems`, under `path`; the answer is then only good for
 * finding further problems.
 */
export function parseStorage(url: string, path: string, problems: ConfigProblem[]): StorageConfig {
  const refuse = (message: string): StorageConfig => {
    problems.push({ path, message });
    return { driver: 'memory' };
  };
  if (url === 'memory:') return { driver: 'memory' };
  if (url.startsWith('file:')) {
    const root = url.slice('file:'.length).replace(/^\/\/(?=\/)/, '');
    return root === '' ? refuse('file: needs a folder, for example file:./data') : { driver: 'filesystem', root };
  }
  if (!url.startsWith('s3://') || !URL.canParse(url)) return refuse('must be file:DIR, memory: or s3://BUCKET/PREFIX');
  return parseS3(new URL(url), refuse);
}

function parseS3(url: URL, refuse: (message: string) => StorageConfig): StorageConfig {
  if (url.hostname === '') return refuse('s3:// needs a bucket');
  if (url.username || url.password) return refuse('S3 credentials come from the AWS variables and profiles, not from the URL');
  const unknown = [...url.searchParams.keys()].filter((key) => key !== 'endpoint' && key !== 'region');
  if (unknown.length > 0) return refuse(`s3:// knows endpoint and region, not ${unknown.join(', ')}`);
  const endpoint = url.searchParams.get('endpoint');
  const region = url.searchParams.get('region');
  const prefix = url.pathname.replace(/^\/+|\/+$/g, '');
  return {
    driver: 's3',
    bucketName: url.hostname,
    ...(prefix === '' ? {} : { prefix }),
    ...(endpoint === null ? {} : { endpoint }),
    ...(region === null ? {} : { region }),
  };
}
