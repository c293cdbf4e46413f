import { createServer } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { toNodeReadable } from 'entrepot';
import express from 'express';
import { listen } from './listen.js';
import { openRegistry } from './open-registry.js';

const registry = await openRegistry();
const app = express();
const mount = process.env['MOUNT'] ?? '/';
app.use(mount, async (req, res) => {
  const gone = new AbortController();
  res.on('close', () => gone.abort());
  const r = await registry.handleRequest({
    method: req.method,
    path: req.path,
    rawUrl: req.originalUrl,
    headers: req.headers,
    query: req.query,
    body: req.body ?? req,
    signal: gone.signal,
  });
  res.status(r.status);
  res.statusMessage = r.statusText ?? '';
  for (const [k, v] of Object.entries(r.headers)) res.setHeader(k, v);
  r.body ? await pipeline(toNodeReadable(r.body), res) : res.end();
});
listen(createServer(app), registry);
