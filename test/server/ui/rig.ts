import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Window } from 'happy-dom';
import { toNodeHandler } from '../../../ts/adapters/node.js';
import type { NewToken } from '../../../ts/auth/mint.js';
import { House } from '../../../ts/server/house.js';
import { type Browser, start } from '../../../ts/server/ui/app.js';
import { SmartRegistry } from '../../../ts/smart-registry.js';
import { file } from '../../formats/tar-maker.js';
import { afterEveryFile, afterEveryTest } from '../../leftovers.js';
import { at, documentOf, tgz } from '../../proof/documents.js';

/** What the compiler made of the browser's part. */
export const BUILT = pathToFileURL(fileURLToPath(new URL('../../../dist/server/ui/', import.meta.url)));

const closing: (() => Promise<void>)[] = [];
const windows: Window[] = [];
afterEveryFile(async () => {
  for (const close of closing.splice(0)) await close();
});
afterEveryTest(async () => {
  for (const window of windows.splice(0)) await window.happyDOM.close();
});

export interface Served {
  readonly url: string;
  readonly registry: SmartRegistry;
  /** A token of a user, who is made unless known. */
  user(name: string, asked?: NewToken & { readonly admin?: boolean }): Promise<string>;
  ask(method: string, path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  publish(token: string, name: string, version: string, facts?: Facts): Promise<void>;
}

export interface Facts {
  readonly manifest?: object;
  readonly readme?: string;
  readonly tag?: string;
  readonly access?: string;
}

export interface ServedOptions {
  readonly anonymousRead?: readonly string[];
  /** Where npm is mounted. */
  readonly npm?: string;
  readonly publicUrl?: string;
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The stand-alone server's own paths and two repositories, on a port, for the tests of a file. */
export async function served({ anonymousRead = [], npm = '/npm', publicUrl }: ServedOptions = {}): Promise<Served> {
  const registry = new SmartRegistry({
    storage: { driver: 'memory' },
    secret: 'correct-horse-battery-staple-1-AZ9',
    npm: { enabled: true, basePath: npm },
    oci: { enabled: true },
    anonymousRead: [...anonymousRead],
    maxStaleness: 0,
    ...(publicUrl === undefined ? {} : { publicUrl }),
  });
  await registry.init();
  const house = await House.open({
    registry: registry.parts,
    rest: registry,
    rootTaken: npm === '/',
    serving: () => true,
    metrics: async () => '',
    uiFolder: BUILT,
  });
  const url = await listen(createServer(toNodeHandler(house)));
  closing.push(() => registry.destroy());
  const user: Served['user'] = async (name, { admin = false, ...asked } = {}) => {
    const { directory } = registry.parts.auth;
    if (!directory) throw new Error('no users here');
    const { id } = (await directory.find(name)) ?? (await directory.addUser({ name, admin }));
    return (await directory.createToken(id, asked)).token;
  };
  const ask: Served['ask'] = (method, path, headers = {}) => fetch(url + path, { method, headers, redirect: 'manual' });
  const publish: Served['publish'] = async (token, name, version, { manifest = {}, readme, tag, access = 'public' } = {}) => {
    const inner = file('package/package.json', JSON.stringify({ name, version, ...manifest }));
    const tarball = tgz(inner, ...(readme === undefined ? [] : [file('package/README.md', readme)]));
    const response = await fetch(`${url}${npm === '/' ? '' : npm}${at(name)}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(documentOf({ name, version, tarball, manifest, access, ...(tag === undefined ? {} : { tag }) })),
    });
    if (response.status !== 201) throw new Error(`publish: ${response.status} ${await response.text()}`);
  };
  return { url, registry, user, ask, publish };
}

/** A proxy that cuts a prefix off, and knows nothing else of what it passes on. */
export async function behind(prefix: string, target: string): Promise<string> {
  const proxy = createServer((req, res) => {
    void (async () => {
      if (!req.url?.startsWith(`${prefix}/`)) {
        res.writeHead(404).end();
        return;
      }
      const headers = { ...(req.headers.authorization ? { authorization: req.headers.authorization } : {}) };
      const answer = await fetch(target + req.url.slice(prefix.length), { headers, redirect: 'manual' });
      const location = answer.headers.get('location');
      const type = answer.headers.get('content-type');
      res.writeHead(answer.status, { ...(location ? { location } : {}), ...(type ? { 'content-type': type } : {}) });
      res.end(Buffer.from(await answer.arrayBuffer()));
    })().catch(() => res.destroy());
  });
  return (await listen(proxy)) + prefix;
}

/** One request that the page has sent. */
export interface Sent {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
}

/** The page in a browser's window. */
export interface Tab {
  readonly window: Window;
  readonly sent: readonly Sent[];
  /** What happens to a request on its way: it may wait, or throw as `fetch` does where there is no way. */
  onWay: (url: string) => Promise<void>;
  /** All that the page shows. */
  text(): string;
  /** Waits for a text to be shown. */
  sees(text: string): Promise<void>;
  /** Waits until something is so. */
  waits(look: () => boolean, what: string): Promise<void>;
  /** Elements that a selector finds. */
  all(selector: string): readonly HTMLElement[];
  /** The first one with this text, or this label for those who cannot see. */
  find(selector: string, text: string): HTMLElement;
  press(text: string): void;
  /** Types into the field of this id. */
  type(id: string, value: string): void;
  submit(selector?: string): void;
  open(hash: string): void;
}

const TURNS = 600;

/** Opens the page as a browser does: the shell from the server, then what its first script starts. */
export async function openTab(base: string, hash = ''): Promise<Tab> {
  const window = new Window({
    url: `${base}/-/ui/${hash}`,
    settings: { disableJavaScriptFileLoading: true, disableCSSFileLoading: true, handleDisabledFileLoadingAsSuccess: true },
  });
  windows.push(window);
  const { document } = window;
  document.write(await (await fetch(`${base}/-/ui/`)).text());
  const sent: Sent[] = [];
  const send: typeof fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    sent.push({
      method: init?.method ?? 'GET',
      url: String(input),
      authorization: headers.get('authorization') ?? undefined,
    });
    await tab.onWay(String(input));
    return fetch(input, init);
  };
  Object.assign(window, { fetch: send, AbortController });
  const all = (selector: string): HTMLElement[] => [...(document as unknown as Document).querySelectorAll<HTMLElement>(selector)];
  const text = (): string => document.body.textContent ?? '';
  const waits: Tab['waits'] = async (look, what) => {
    for (let turn = 0; turn < TURNS; turn += 1) {
      if (look()) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`this never came: ${what}: ${text()}`);
  };
  const find: Tab['find'] = (selector, wanted) => {
    const found = all(selector).find((one) => one.textContent?.trim() === wanted || one.getAttribute('aria-label') === wanted);
    if (!found) throw new Error(`no ${selector} says ${wanted}: ${text()}`);
    return found;
  };
  const tab: Tab = {
    window,
    sent,
    onWay: async () => undefined,
    text,
    all,
    find,
    waits,
    sees: (wanted) => waits(() => text().includes(wanted), wanted),
    press: (wanted) => find('button', wanted).click(),
    type(id, value) {
      const field = document.getElementById(id) as unknown as HTMLInputElement | null;
      if (!field) throw new Error(`no field ${id}: ${text()}`);
      field.value = value;
      field.dispatchEvent(new window.Event('input', { bubbles: true }) as unknown as Event);
    },
    submit(selector = 'main form') {
      const [form] = all(selector);
      if (!form) throw new Error(`no ${selector}: ${text()}`);
      form.dispatchEvent(new window.Event('submit', { bubbles: true, cancelable: true }) as unknown as Event);
    },
    open(to) {
      window.location.hash = to;
    },
  };
  await start(window as unknown as Browser);
  return tab;
}

/** Types a token into the form and waits until it was taken. */
export async function logIn(tab: Tab, token: string): Promise<void> {
  await tab.sees('Log in');
  tab.type('token', token);
  tab.submit();
  await tab.sees('You are logged in.');
}
