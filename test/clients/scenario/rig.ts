import { it } from 'vitest';
import { file } from '../../formats/tar-maker.js';
import { at, documentOf, tgz } from '../../proof/documents.js';
import { worked } from '../processes.js';
import { onPath, required } from '../programs.js';
import { type Manifest, Sandbox } from '../sandbox.js';
import type { RequestLine } from '../server.js';
import type { Setup, Site } from '../setups.js';

/** CI drives every command of npm; by hand those without which there is no registry: each start of npm takes most of a second. */
export const inFull: (name: string, run: () => Promise<void>) => void = process.env.REQUIRE_CLIENTS ? it : it.skip;

export const PASSWORD = 'a password with spaces and 7';

/** A registry, its administrator's machine and two users' machines. */
export interface Rig {
  readonly site: Site;
  readonly admin: Sandbox;
  readonly bob: Sandbox;
  readonly carol: Sandbox;
  /** A machine without a token, or with this one. */
  machine(token?: string): Sandbox;
  stop(): Promise<void>;
}

async function addUser(site: Site, name: string): Promise<string> {
  const mail = ['--email', `${name}@people.example`];
  worked(await site.command(['user', 'add', name, '--password-stdin', ...mail], `${PASSWORD}\n`));
  return worked(await site.command(['token', 'create', name])).out.trim();
}

export async function startRig(setup: Setup, program: string = required('npm', onPath('npm'))): Promise<Rig> {
  const site = await setup.start();
  const machines: Sandbox[] = [];
  const machine = (token?: string): Sandbox => {
    const made = new Sandbox(site.registry, token, program);
    machines.push(made);
    return made;
  };
  const stop = async (): Promise<void> => {
    await site.stop();
    for (const made of machines) made.remove();
  };
  try {
    const [bob, carol] = (await Promise.all(['bob', 'carol'].map((name) => addUser(site, name)))).map(machine) as [
      Sandbox,
      Sandbox,
    ];
    return { site, admin: machine(site.adminToken), bob, carol, machine, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The requests that were answered while something ran. */
export async function requestsDuring(site: Site, act: () => Promise<unknown>): Promise<readonly RequestLine[]> {
  const before = site.servers.map(({ requests }) => requests.length);
  await act();
  // A line is written when the connection's part of the answer is done, which may be a moment after the client has it.
  await new Promise((resolve) => setTimeout(resolve, 50));
  return site.servers.flatMap(({ requests }, at) => requests.slice(before[at]));
}

/** A request to the registry, as the holder of a token. */
export function ask(
  site: Site,
  path: string,
  token: string | undefined = site.adminToken,
  init: RequestInit = {},
): Promise<Response> {
  const headers = { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...init.headers };
  return fetch(`${site.registry}${path}`, { ...init, headers });
}

/** Versions for npm to work on, put there without it: a start of npm costs more than all that the registry does for a publish. */
export async function stock(site: Site, about: Omit<Manifest, 'version'>, versions: readonly string[]): Promise<void> {
  for (const version of versions) {
    const { name, ...manifest } = about as Manifest;
    const tarball = tgz(
      file('package/package.json', JSON.stringify({ ...about, version })),
      file('package/index.js', `module.exports = ${JSON.stringify(`${name}@${version}`)};\n`),
    );
    const document = documentOf({ name, version, tarball, manifest, access: 'public' });
    const headers = { 'content-type': 'application/json' };
    const answer = await ask(site, at(name).slice(1), site.adminToken, {
      method: 'PUT',
      headers,
      body: JSON.stringify(document),
    });
    if (answer.status !== 201) throw new Error(`${name}@${version}: ${answer.status} ${await answer.text()}`);
    await answer.body?.cancel();
  }
}
