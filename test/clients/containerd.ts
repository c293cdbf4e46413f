import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { OciMachine } from './oci-machine.js';
import { end, type Finished } from './processes.js';
import { ociProgram, required } from './programs.js';

/** What needs a kernel's help, and what nothing here asks for. */
const WITHOUT = [
  'io.containerd.grpc.v1.cri',
  ...['aufs', 'btrfs', 'devmapper', 'overlayfs', 'zfs'].map((name) => `io.containerd.snapshotter.v1.${name}`),
  'io.containerd.internal.v1.opt',
];

export interface Containerd {
  ctr(args: readonly string[], seconds?: number): Promise<Finished>;
  stop(): Promise<void>;
}

/** A daemon whose images, state and sockets lie on one machine alone. */
export async function startContainerd(machine: OciMachine): Promise<Containerd> {
  const socket = machine.path('c.sock');
  const config = machine.write(
    'containerd.toml',
    `version = 2
root = "${machine.path('root')}"
state = "${machine.path('state')}"
disabled_plugins = ${JSON.stringify(WITHOUT)}
[grpc]
  address = "${socket}"
[ttrpc]
  address = "${machine.path('t.sock')}"
`,
  );
  const program = required('containerd', ociProgram('containerd'), '.ci/install-oci-clients');
  const child = spawn(program, ['--config', config], {
    cwd: machine.home,
    env: machine.env(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (chunk) => {
    log = (log + String(chunk)).slice(-64 * 1024);
  });
  const ctr = (args: readonly string[], seconds = 60): Promise<Finished> =>
    machine.run('ctr', ['--address', socket, ...args], { seconds });
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) throw new Error(`containerd ended:\n${log}`);
    if (existsSync(socket) && (await ctr(['version'])).code === 0)
      return {
        ctr,
        stop: async () => {
          await end(child);
        },
      };
    await pause(50);
  }
  await end(child);
  throw new Error(`containerd does not listen:\n${log}`);
}
