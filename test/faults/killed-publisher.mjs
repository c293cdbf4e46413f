/** Publishes one version to a folder and kills itself at the k-th storage call: before it, while it is under way, or behind it. `ack` says that it was answered. */
import { SmartRegistry } from '../../dist/index.js';
import { FilesystemDriver } from '../../dist/storage/drivers/filesystem.js';

const [root, secret, token, body, at, when] = process.argv.slice(2);
const die = () => process.kill(process.pid, 'SIGKILL');
let calls = 0;
const METHODS = new Set(['stat', 'read', 'write', 'delete', 'list', 'copy', 'namesSync', 'existsSync']);
const driver = new Proxy(new FilesystemDriver(root), {
  get(target, name) {
    const value = Reflect.get(target, name, target);
    if (typeof value !== 'function') return value;
    if (!METHODS.has(name)) return value.bind(target);
    return (...args) => {
      calls += 1;
      if (calls !== Number(at)) return value.apply(target, args);
      if (when === 'before') die();
      const answer = value.apply(target, args);
      if (when === 'during' || !(answer instanceof Promise)) setImmediate(die);
      else answer.then(die, die);
      return answer;
    };
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
