import { createServer } from 'node:http';
import { toNodeReadable } from 'entrepot';
import express from 'express';
import { listen } from './listen.js';
import { openRegistry } from './open-registry.js';

const registry = await openRegistry();
const app = express();
const parser = process.env['PARSER'];
// `npm dist-tag` sends a bare string, which strict parsers refuse.
if (parser === 'json') app.use(express.json({ strict: false, limit: '100mb' }));
if (parser === 'raw') app.use(express.raw({ type: () => true, limit: '100mb' }));
// Reads the body, and keeps it for itself.
if (parser === 'greedy') app.use((req, _res, next) => void req.resume().once('end', () => next()));

// Express 4: '*'. Express 5: '/{*path}'.
app.all(process.env['PATTERN'] ?? '*', async (req, res) => {
  const r = await registry.handleRequest({
    method: req.method,
    path: req.path,
    headers: req.headers,
    query: req.query,
    body: req.body,
  });
  res.status(r.status);
  for (const [k, v] of Object.entries(r.headers)) res.setHeader(k, v);
  if (r.body) toNodeReadable(r.body).pipe(res);
  else res.end();
});
listen(createServer(app), registry);
