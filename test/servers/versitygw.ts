import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { type VersitygwVersion, versitygwPath } from './binaries.js';
import { freePort } from './free-port.js';

export interface RunningS3 {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly bucket: string;
  /** Where the store keeps its files. */
  readonly dir: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface VersitygwOptions {
  readonly version: VersitygwVersion;
  /** Share the folder of another gateway (which then owns it and has made the bucket). */
  readonly dir?: string;
  readonly bucket?: string;
  /** More flags for the `posix` back end. */
  readonly flags?: readonly string[];
}

const ATTEMPTS = 5;
const READY_LOOKS = 200;
const READY_PAUSE = 25;

/** Starts versitygw on a folder of its own and makes a bucket through the API. Throws when the program is missing or does not come up. */
export async function startVersitygw(options: VersitygwOptions): Promise<RunningS3> {
  const program = versitygwPath(options.version);
  if (!program) throw new Error(`versitygw ${options.version} is not installed; run .ci/install-s3`);
  const bucket = options.bucket ?? 'registry';
  const base = mkdtempSync(join(tmpdir(), 'versitygw-'));
  const dir = options.dir ?? join(base, 'data');
  mkdirSync(dir, { recursive: true });
  const flags = [...(options.flags ?? []), ...sidecarFlags(base, dir)];
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const child = run(program, port, dir, flags);
    try {
      await listening(child, port);
      const server = describe(child, port, bucket, dir, base);
      if (options.dir === undefined) await makeBucket(server);
      return server;
    } catch (error) {
      await end(child);
      if (attempt < ATTEMPTS) continue;
      rmSync(base, { recursive: true, force: true });
      throw error;
    }
  }
}

const KEYS = { accessKey: 'test-access', secretKey: 'test-secret-key' } as const;

function run(program: string, port: number, dir: string, flags: readonly string[]): ChildProcess {
  const args = [
    '--quiet',
    '--keep-alive',
    '-p',
    `127.0.0.1:${port}`,
    '-a',
    KEYS.accessKey,
    '-s',
    KEYS.secretKey,
    'posix',
    ...flags,
    dir,
  ];
  return spawn(program, args, { stdio: 'ignore', env: {} });
}

function describe(child: ChildProcess, port: number, bucket: string, dir: string, base: string): RunningS3 {
  return {
    endpoint: `http://127.0.0.1:${port}`,
    ...KEYS,
    bucket,
    dir,
    pid: child.pid ?? -1,
    stop: async () => {
      await end(child);
      rmSync(base, { recursive: true, force: true });
    },
  };
}

/** File systems without user attributes need a folder beside the data. */
function sidecarFlags(base: string, dir: string): string[] {
  const probe = join(base, 'xattr-probe');
  writeFileSync(probe, '');
  const script = 'import os,sys; os.setxattr(sys.argv[1], "user.probe", b"1")';
  try {
    execFileSync('python3', ['-c', script, probe], { stdio: 'ignore' });
    return [];
  } catch {
    const sidecar = `${dir}.sidecar`;
    if (!existsSync(sidecar)) mkdirSync(sidecar, { recursive: true });
    return ['--sidecar', sidecar];
  }
}

async function listening(child: ChildProcess, port: number): Promise<void> {
  for (let look = 0; look < READY_LOOKS; look += 1) {
    if (child.exitCode !== null || child.pid === undefined) throw new Error('versitygw ended at once');
    if (await accepts(port)) return;
    await new Promise((resolve) => setTimeout(resolve, READY_PAUSE));
  }
  throw new Error('versitygw does not listen');
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const answer = (open: boolean) => () => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', answer(true));
    socket.once('error', answer(false));
  });
}

/** An SDK client for a server, for what tests do behind the driver's back. */
export function sdkClient(server: Pick<RunningS3, 'endpoint' | 'accessKey' | 'secretKey'>): S3Client {
  return new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
}

async function makeBucket(server: RunningS3): Promise<void> {
  const client = sdkClient(server);
  try {
    await client.send(new CreateBucketCommand({ Bucket: server.bucket }));
  } finally {
    client.destroy();
  }
}

/** Stops by pid: politely, then for good. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 2_000);
  await gone;
  clearTimeout(timer);
}
