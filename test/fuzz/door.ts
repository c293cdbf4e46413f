import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { harden, toNodeHandler } from '../../ts/adapters/node.js';
import { SmartRegistry } from '../../ts/smart-registry.js';
import { FilesystemDriver } from '../../ts/storage/drivers/filesystem.js';

/** A path with holes, as its route's table has it, and where the table is mounted. */
export interface Target {
  readonly protocol: string;
  readonly id: string;
  readonly method: string;
  /** From the host's root. */
  readonly path: string;
}

export interface Sent {
  readonly method: string;
  readonly target: string;
  /** Lines without Host, Connection and Content-Length. */
  readonly headers?: readonly string[];
  readonly body?: Uint8Array | string | undefined;
  /** Content-Length, where it is to be another than the body's. */
  readonly announced?: number | undefined;
}

/** Status 0: the connection was closed without an answer. */
export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: Buffer;
}

export interface Door {
  readonly registry: SmartRegistry;
  readonly targets: readonly Target[];
  readonly faults: readonly string[];
  /** Rejects when there is no end within ten seconds. */
  ask(sent: Sent): Promise<Answer>;
  user(name: string): Promise<string>;
  close(): Promise<void>;
}

const HANG_MS = 10_000;
/** A body shorter than announced is given up after this. */
const GIVE_UP_MS = 200;

const wire = ({ method, target, headers = [], body, announced }: Sent, port: number): Buffer => {
  const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(body as Uint8Array);
  const length = announced ?? (body === undefined ? undefined : bytes.byteLength);
  const lines = [
    `${method} ${target} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Connection: close',
    ...headers,
    ...(length === undefined ? [] : [`Content-Length: ${length}`]),
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]);
};

function exchange(sent: Sent, port: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    const parts: Buffer[] = [];
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end within ${HANG_MS} ms: ${JSON.stringify(sent).slice(0, 2_000)}`));
    }, HANG_MS);
    socket.on('data', (part) => parts.push(part));
    // A reset is an end too: the server need not read what it refuses.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearTimeout(timer);
      const whole = Buffer.concat(parts);
      const end = whole.indexOf('\r\n\r\n');
      const head = whole.toString('latin1', 0, end < 0 ? whole.byteLength : end);
      resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0), head, body: whole.subarray(end + 4) });
    });
    socket.write(wire(sent, port));
    const short = (sent.announced ?? 0) > Buffer.byteLength((sent.body ?? '') as Uint8Array);
    if (short) setTimeout(() => socket.end(), GIVE_UP_MS);
  });
}

/** One registry with every protocol, on a folder, behind a server of node:http: what comes in comes over a socket. */
export async function openDoor(): Promise<Door> {
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-door-'));
  const faults: string[] = [];
  const registry = new SmartRegistry({
    storage: new FilesystemDriver(folder, { durable: false }),
    secret: 'Wq7-nB3x.Lk9-Tz5v.Rp2-Jm8c.Hd4-Gs6f',
    npm: { enabled: true },
    oci: { enabled: true },
    auth: { selfRegistration: true },
    onFault: (error, where) => faults.push(`${where}: ${error instanceof Error ? error.stack : String(error)}`),
  });
  await registry.init();
  const server = harden(createServer(toNodeHandler(registry, { onError: (error) => faults.push(`node: ${String(error)}`) })));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const targets = registry.parts.repositories.flatMap(({ plan, site }) =>
    site.instance.routes.flatMap(({ id, method, path, root }): readonly Target[] => {
      const one = { protocol: plan.protocol, id, method };
      const mounted = { ...one, path: `${plan.basePath}${path}` };
      return root ? [{ ...one, path }, mounted] : [mounted];
    }),
  );
  return {
    registry,
    targets,
    faults,
    ask: (sent) => exchange(sent, port),
    user: async (name) => {
      const { directory } = registry.parts.auth;
      if (!directory) throw new Error('no directory');
      const { id } = await directory.addUser({ name, admin: false });
      return (await directory.createToken(id)).token;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await registry.destroy();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
