import { createHash, randomBytes } from 'node:crypto';
import { type ClientRequest, get, type IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { expect } from 'vitest';
import { TOKEN } from './npm-client.js';
import { openFiles, type Program } from './program.js';

const SIZE = 24 * 1024 ** 2;
const LOOKS = 400;
const PAUSE_MS = 25;

async function tarball(name: string, version: string): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name: 'package/package.json' }, JSON.stringify({ name, version }));
  archive.entry({ name: 'package/noise' }, randomBytes(SIZE));
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive) parts.push(part as Buffer);
  return gzipSync(Buffer.concat(parts), { level: 0 });
}

/** Publishes a package of 24 MiB: more than sockets take before anybody reads. Answers the URL of its tarball. */
export async function publishLarge(registry: string): Promise<string> {
  const [name, version] = ['large', '1.0.0'];
  const bytes = await tarball(name, version);
  const file = `${name}-${version}.tgz`;
  const dist = {
    integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
    tarball: `${registry}${name}/-/${file}`,
  };
  const body = JSON.stringify({
    _id: name,
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { name, version, dist } },
    _attachments: { [file]: { content_type: 'application/octet-stream', data: bytes.toString('base64'), length: bytes.length } },
  });
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  const response = await fetch(`${registry}${name}`, { method: 'PUT', headers, body });
  expect(response.status, await response.text()).toBe(201);
  return `${registry}${name}/-/${file}`;
}

async function eventually(holds: () => boolean): Promise<boolean> {
  for (let look = 0; look < LOOKS; look++) {
    if (holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return false;
}

/** A client that goes half-way through a download: the file behind it is open while it reads, and closed when it has gone. */
export async function leaveHalfWay(program: Program, root: string, url: string): Promise<void> {
  const objects = `${root}/objects/`;
  const headers = { authorization: `Bearer ${TOKEN}` };
  const { request, response } = await new Promise<{ request: ClientRequest; response: IncomingMessage }>((resolve, reject) => {
    const asked = get(url, { headers, agent: false }, (answer) => resolve({ request: asked, response: answer }));
    asked.once('error', reject);
  });
  expect(response.statusCode).toBe(200);
  await new Promise((resolve) => response.once('readable', resolve));
  response.read(1);
  expect(await eventually(() => openFiles(program.pid, objects) > 0), 'the file is open while its reader pauses').toBe(true);
  response.on('error', () => undefined);
  request.destroy();
  expect(await eventually(() => openFiles(program.pid, objects) === 0), 'the file is closed once its reader has gone').toBe(true);
}
