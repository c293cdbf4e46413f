import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunningS3 } from '../servers/versitygw.js';
import { SECRET } from './house.js';

const CLI = fileURLToPath(new URL('../../dist/server/cli.js', import.meta.url));
export const ADMIN_TOKEN = 'Kp4-rT8w.Zx2-Vb6n.Mq9-Ld3f.Hs7-Yc5g';

export interface Process {
  readonly child: ChildProcess;
  readonly url: string;
  readonly pid: number;
  out(): string;
  err(): string;
}

export interface ClusterOptions {
  readonly processes: number;
  /** What `--storage` is given; default: a folder of its own. */
  readonly storage?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Lines of `--config`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Whether the operator chose the administrator's token; default yes. */
  readonly ownToken?: boolean;
  /** All at once, not the first before the others. */
  readonly atOnce?: boolean;
}

export interface Cluster {
  readonly processes: readonly Process[];
  readonly folder: string;
  stop(): Promise<void>;
}

/** Stand-alone servers, each a process, on one storage. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const base = mkdtempSync(join(tmpdir(), 'entrepot-cluster-'));
  const folder = join(base, 'data');
  const args = [
    'serve',
    '--port',
    '0',
    '--storage',
    options.storage ?? `file:${folder}`,
    '--log-format',
    'json',
    '--log-level',
    'warn',
  ];
  if (options.config) {
    writeFileSync(join(base, 'config.json'), JSON.stringify(options.config));
    args.push('--config', join(base, 'config.json'));
  }
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: base,
    ...(options.ownToken === false ? {} : { ENTREPOT_ADMIN_TOKEN: ADMIN_TOKEN }),
    ...options.env,
  };
  const children: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(end));
    rmSync(base, { recursive: true, force: true });
  };
  const one = (): Promise<Process> => {
    const child = spawn(process.execPath, [CLI, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    return listening(child);
  };
  try {
    const processes: Process[] = [];
    if (!options.atOnce) processes.push(await one());
    const others = Array.from({ length: options.processes - processes.length }, one);
    processes.push(...(await Promise.all(others)));
    return { processes, folder, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function listening(child: ChildProcess): Promise<Process> {
  let [out, err] = ['', ''];
  return new Promise((resolve, reject) => {
    child.stderr?.on('data', (chunk) => {
      err += String(chunk);
    });
    child.stdout?.on('data', (chunk) => {
      out += String(chunk);
      const url = /"message":"listening".*?"url":"([^"]+)"/.exec(out)?.[1];
      if (url && /"message":"set up"/.test(out)) resolve({ child, url, pid: child.pid ?? -1, out: () => out, err: () => err });
    });
    child.once('exit', (code) => reject(new Error(`a server ended with ${code}: ${out}${err}`)));
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(timer);
}

/** Bytes of memory that a process has, or had at most. */
export function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const line = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) * 1024;
}

export const canSeeMemory = existsSync('/proc/self/status');

/** Settings for servers over one bucket. */
export const onBucket = (s3: RunningS3): Pick<ClusterOptions, 'storage' | 'env'> => ({
  storage: `s3://${s3.bucket}/proof?endpoint=${encodeURIComponent(s3.endpoint)}&region=us-east-1`,
  env: { AWS_ACCESS_KEY_ID: s3.accessKey, AWS_SECRET_ACCESS_KEY: s3.secretKey, ENTREPOT_SECRET: SECRET },
});

export interface Told {
  readonly status: number;
  readonly text: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 128 });
export const closeClients = (): void => agent.destroy();

/** One request to a server, as an npm client would send it. Rejects when the connection breaks. */
export function tell(url: string, method: string, path: string, body?: unknown, token: string = ADMIN_TOKEN): Promise<Told> {
  const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(bytes ? { 'content-type': 'application/json', 'content-length': bytes.length } : {}),
    };
    const req = request(`${url}/npm${path}`, { method, agent, headers }, (res) => {
      const parts: Buffer[] = [];
      res.on('data', (part: Buffer) => parts.push(part));
      res.once('end', () => resolve({ status: res.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') }));
      res.once('error', reject);
    });
    req.once('error', reject);
    req.end(bytes);
  });
}
