import { createServer } from 'node:http';
import { harden, toNodeHandler } from 'entrepot/adapters/node';
import { listen } from './listen.js';
import { openRegistry } from './open-registry.js';

const registry = await openRegistry();
listen(harden(createServer(toNodeHandler(registry))), registry);
