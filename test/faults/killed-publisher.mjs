/** Publishes one version to a folder and kills itself at the k-th storage call: before it, while it is under way, or behind it. `ack` says that it was answered. */
import { SmartRegistry } from '../../dist/index.js';
import { FilesystemDriver } from '../../dist/storage/drivers/filesystem.js';

const [root, secret, token, body, at, when] = process.argv.slice(2);
const die = () => process.kill(process.pid, 'SIGKILL');
let calls = 0;
const METHODS = new Set(['stat', 'read', 'write', 'delete', 'list', 'copy', 'namesSync', 'existsSync']);
function counted(call) {
  calls += 1;
  if (calls !== Number(at)) return call();
  if (when === 'before') die();
  const answer = call();
  if (when === 'during' || !(answer instanceof Promise)) setImmediate(die);
  else answer.then(die, die);
  return answer;
}
const driver = new Proxy(new FilesystemDriver(root), {
  get(target, name) {
    const value = Reflect.get(target, name, target);
    if (typeof value !== 'function') return value;
    if (name === 'prepare')
      return async (...args) => {
        const prepared = await counted(() => value.apply(target, args));
        return { commit: () => counted(() => prepared.commit()), discard: () => prepared.discard() };
      };
    if (!METHODS.has(name)) return value.bind(target);
    return (...args) => counted(() => value.apply(target, args));
  },
});
const registry = new SmartRegistry({ storage: driver, npm: { enabled: true }, secret, auth: { adminToken: token } });
await registry.init();
const { status } = await registry.handleRequest({
  method: 'PUT',
  path: '/npm/p',
  rawUrl: '/npm/p',
  headers: { host: 'packages.example', authorization: `Bearer ${token}`, 'content-type': 'application/json' },
  query: {},
  body,
});
if (status < 300) process.stdout.write('ack\n');
await registry.destroy();
process.stdout.write(`calls ${calls}\n`);
