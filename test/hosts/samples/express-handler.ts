import { createServer } from 'node:http';
import { toNodeHandler } from 'entrepot/adapters/node';
import express from 'express';
import { listen } from './listen.js';
import { openRegistry } from './open-registry.js';

// Two registries in one process; they know nothing of each other.
const registry = await openRegistry();
const other = await openRegistry({ storage: { driver: 'memory' } });

const app = express();
app.use('/packages', toNodeHandler(other));
app.use(toNodeHandler(registry));
// Behind the registry: what it has nothing mounted for.
app.use(express.json());
app.get('/hello', (_, res) => void res.send('hello'));
app.post('/echo', (req, res) => void res.json(req.body));
listen(createServer(app), registry, other);
