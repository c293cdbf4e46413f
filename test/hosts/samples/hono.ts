import { createServer } from 'node:http';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { toFetchHandler } from 'entrepot/adapters/fetch';
import { Hono } from 'hono';
import { listen } from './listen.js';
import { openRegistry } from './open-registry.js';

const registry = await openRegistry();
const app = new Hono();
app.get('/hello', (c) => c.text('hello'));
const addressOf = (_: Request, env: unknown) => (env as HttpBindings).incoming.socket.remoteAddress;
app.mount('/', process.env['TRUST_PROXY'] === undefined ? registry.fetch : toFetchHandler(registry, { addressOf }));
listen(createServer(getRequestListener(app.fetch)), registry);
