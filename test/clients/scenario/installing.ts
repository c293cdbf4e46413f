import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { run, worked } from '../processes.js';
import { inFull, type Rig } from './rig.js';

/** Packages whose fields steer the installer. */
export function installing(rig: () => Rig): void {
  inFull('npm 27: of optional platform packages only the matching one is installed', async () => {
    const { admin } = rig();
    const other = process.platform === 'win32' ? 'linux' : 'win32';
    await admin.publish({ name: '@native/here', version: '1.0.0', os: [process.platform], cpu: [process.arch] });
    await admin.publish({ name: '@native/there', version: '1.0.0', os: [other] });
    const optionalDependencies = { '@native/here': '1.0.0', '@native/there': '1.0.0' };
    await admin.publish({ name: 'native', version: '1.0.0', optionalDependencies });
    const project = admin.project({ native: '1.0.0' });
    admin.forget();
    await admin.out(['install'], project);
    expect(readdirSync(join(project, 'node_modules', '@native'))).toEqual(['here']);
  });

  inFull('npm 28: bin, optional peers and install scripts', async () => {
    const { admin } = rig();
    const script = { 'tool.js': '#!/usr/bin/env node\nconsole.log("the tool runs");\n' };
    await admin.publish({ name: 'with-bin', version: '1.0.0', bin: { 'the-tool': 'tool.js' } }, [], script);
    const peers = {
      peerDependencies: { plain: '^1.0.0', 'no-such-package': '*' },
      peerDependenciesMeta: { 'no-such-package': { optional: true } },
    };
    await admin.publish({ name: 'with-peers', version: '1.0.0', ...peers });
    const scripts = { scripts: { install: "node -e \"fs.writeFileSync('ran', '')\"" } };
    await admin.publish({ name: 'with-script', version: '1.0.0', ...scripts, funding: 'https://funding.example/' });
    const names = ['with-bin', 'with-peers', 'with-script'];
    const project = admin.project(Object.fromEntries(names.map((name) => [name, '1.0.0'])), {
      allowScripts: { 'with-script': true },
    });
    admin.forget();
    await admin.out(['install'], project);
    const tool = worked(await run(join(project, 'node_modules/.bin/the-tool'), [], { cwd: project, env: admin.env() }));
    expect(tool.out.trim()).toBe('the tool runs');
    expect(existsSync(join(project, 'node_modules/plain'))).toBe(true);
    expect(existsSync(join(project, 'node_modules/with-script/ran'))).toBe(true);
    const lock = JSON.parse(admin.read(join(project.slice(admin.home.length + 1), 'package-lock.json'))) as {
      packages: Record<string, { hasInstallScript?: boolean; funding?: unknown }>;
    };
    expect(lock.packages['node_modules/with-script']).toMatchObject({ hasInstallScript: true, funding: expect.anything() });
  });

  inFull('npm 28: bundled dependencies come with the tarball, a shrinkwrap pins its own', async () => {
    const { admin, site } = rig();
    const inner = {
      'node_modules/inner/package.json': '{"name":"inner","version":"9.9.9"}',
      'node_modules/inner/index.js': 'module.exports = "bundled";',
    };
    const index = { 'index.js': 'module.exports = require("inner");' };
    await admin.publish(
      { name: 'with-bundle', version: '1.0.0', dependencies: { inner: '*' }, bundleDependencies: ['inner'] },
      [],
      { ...inner, ...index },
    );
    const integrity = await admin.json<string>(['view', 'tagged@1.0.0', 'dist.integrity']);
    const resolved = `${site.registry}tagged/-/tagged-1.0.0.tgz`;
    const self = { name: 'with-shrinkwrap', version: '1.0.0', dependencies: { tagged: '*' } };
    const packages = { '': self, 'node_modules/tagged': { version: '1.0.0', resolved, integrity } };
    const shrinkwrap = JSON.stringify({ name: self.name, version: self.version, lockfileVersion: 3, requires: true, packages });
    await admin.publish(self, [], { 'npm-shrinkwrap.json': shrinkwrap, 'index.js': 'module.exports = require("tagged");' });
    const project = admin.project({ 'with-bundle': '1.0.0', 'with-shrinkwrap': '1.0.0' });
    admin.forget();
    await admin.out(['install'], project);
    expect(await admin.require(project, 'with-bundle')).toBe('bundled');
    expect(await admin.require(project, 'with-shrinkwrap')).toBe('tagged@1.0.0');
  });
}
