import worker from './worker.js';

// What a platform for module workers does: calls the default export, and nothing else of it.
const { fetch } = worker;
const headers = { authorization: 'Bearer an-administrator-of-the-samples-only', 'content-type': 'application/json' };
const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(new Request(`https://packages.example/npm/${path}`, { headers, ...init }));

const name = process.env['NAME'] ?? '';
const put = await ask(name, { method: 'PUT', body: process.env['DOCUMENT'] ?? '' });
const packument = (await (await ask(name)).json()) as { versions: Record<string, { dist: { tarball: string } }> };
const tarball = await fetch(new Request(packument.versions['1.0.0']?.dist.tarball ?? '', { headers }));
const size = (await tarball.arrayBuffer()).byteLength;
const part = await fetch(
  new Request(tarball.url || `https://packages.example/npm/${name}/-/${name}-1.0.0.tgz`, {
    headers: { ...headers, range: 'bytes=2-5' },
  }),
);
const again = await ask(name, { method: 'PUT', body: process.env['DOCUMENT'] ?? '' });
console.log(JSON.stringify([put.status, tarball.status, size, part.status, (await part.arrayBuffer()).byteLength, again.status]));
