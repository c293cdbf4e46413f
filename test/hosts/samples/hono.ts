import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { listen } from './listen.js';
import { openRegistry } from './open-registry.js';

const registry = await openRegistry();
const app = new Hono();
app.get('/hello', (c) => c.text('hello'));
app.mount('/', registry.fetch);
listen(createServer(getRequestListener(app.fetch)), registry);
