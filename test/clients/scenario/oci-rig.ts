import { OciMachine } from '../oci-machine.js';
import { worked } from '../processes.js';
import type { Setup, Site } from '../setups.js';

export const PASSWORD = 'a password with spaces and 7';

/** A container registry, a user of it, and machines. */
export interface OciRig {
  readonly site: Site;
  /** As image names begin: host and port. */
  readonly host: string;
  /** Of the user bob. */
  readonly token: string;
  /** Of the user bob, for reading only. */
  readonly reader: string;
  machine(): OciMachine;
  /** What the registry says, asked without a client. Undefined: there is no such repository. */
  tags(name: string): Promise<readonly string[] | undefined>;
  /** Digest of what a reference names; undefined: nothing. */
  digest(name: string, reference: string): Promise<string | undefined>;
  content(path: string): Promise<Buffer>;
  stop(): Promise<void>;
}

/** A set-up of several processes takes its time on a busy machine. */
export const START_MS = 180_000;

export const ANYONE_READS: readonly string[] = ['--anonymous-read', 'oci'];

/** Starts a registry. Without arguments everybody needs credentials. */
export async function startOciRig(setup: Setup, args: readonly string[] = []): Promise<OciRig> {
  const site = await setup.start(args);
  const machines: OciMachine[] = [];
  const { origin, host } = new URL(site.registry);
  const ask = (path: string, accept = '*/*'): Promise<Response> =>
    fetch(`${origin}/v2/${path}`, { headers: { authorization: `Bearer ${site.adminToken}`, accept } });
  const stop = async (): Promise<void> => {
    await site.stop();
    for (const machine of machines) machine.remove();
  };
  const token = async (...more: readonly string[]): Promise<string> =>
    worked(await site.command(['token', 'create', 'bob', ...more])).out.trim();
  try {
    worked(await site.command(['user', 'add', 'bob', '--password-stdin'], `${PASSWORD}\n`));
    return {
      site,
      host,
      token: await token(),
      reader: await token('--readonly'),
      machine: () => {
        const machine = new OciMachine();
        machines.push(machine);
        return machine;
      },
      tags: async (name) => {
        const answer = await ask(`${name}/tags/list`);
        const body = (await answer.json()) as { readonly tags?: readonly string[] };
        return answer.status === 404 ? undefined : body.tags;
      },
      digest: async (name, reference) => {
        const answer = await ask(`${name}/manifests/${reference}`);
        await answer.arrayBuffer();
        return answer.status === 404 ? undefined : (answer.headers.get('docker-content-digest') ?? `status ${answer.status}`);
      },
      content: async (path) => Buffer.from(await (await ask(path)).arrayBuffer()),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What a scenario asks of its surroundings. Each keeps to repositories of its own. */
export interface OciSetup {
  readonly title: string;
  start(): Promise<OciRig>;
}

/** A registry for one scenario, which anyone may read. */
export const onItsOwn = (setup: Setup): OciSetup => ({ title: setup.title, start: () => startOciRig(setup, ANYONE_READS) });

/** A registry for one scenario, where everybody needs credentials. */
export const guarded = (setup: Setup): OciSetup => ({
  title: `${setup.title}, with credentials`,
  start: () => startOciRig(setup),
});

/** One registry for several scenarios: to start it takes longer than to use it. */
export function shared(setup: Setup): OciSetup & { stop(): Promise<void> } {
  let rig: Promise<OciRig> | undefined;
  return {
    title: setup.title,
    start: async () => {
      rig ??= startOciRig(setup, ANYONE_READS);
      return { ...(await rig), stop: async () => undefined };
    },
    stop: async () => (await rig)?.stop(),
  };
}
