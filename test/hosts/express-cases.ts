import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { lacks, SETUP_MS } from './installed.js';
import { leaveHalfWay, publishLarge } from './large-package.js';
import { NAME, publishAndInstall, TOKEN } from './npm-client.js';
import { type Program, start } from './program.js';
import { project, scratch } from './project.js';

const authorization = { authorization: `Bearer ${TOKEN}` };
const json = { ...authorization, 'content-type': 'application/json' };

interface Packument {
  readonly 'dist-tags': Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, { readonly dist: { readonly tarball: string }; readonly deprecated?: string }>>;
}

async function packument(registry: string): Promise<Packument> {
  const response = await fetch(registry + encodeURIComponent(NAME), { headers: authorization });
  return (await response.json()) as Packument;
}

/** Everything that is asked of one version of Express; `pattern` is how its `app.all` names every path. */
export function expressCases(host: 'express-4' | 'express-5', pattern: string): void {
  describe.skipIf(lacks(host))(host, () => {
    let out = '';
    const serve = (sample: string, env: Readonly<Record<string, string>> = {}): Promise<Program> =>
      start('node', join(out, `${sample}.js`), env);
    const endsWell = async (program: Program): Promise<void> => expect(await program.stop()).toMatchObject({ code: 0, err: '' });

    beforeAll(() => {
      out = project(host).compile(['express-handler', 'express-by-hand', 'express-by-hand-guarded', 'express-older'], {
        lib: ['ES2022'],
      });
    }, SETUP_MS);

    it('app.use(toNodeHandler(registry)): publish, install, and two registries that know nothing of each other', async () => {
      const program = await serve('express-handler', { ENTREPOT_ROOT: scratch() });
      await publishAndInstall(`${program.url}/npm/`);
      const there = await fetch(`${program.url}/packages/npm/${encodeURIComponent(NAME)}`, { headers: authorization });
      expect(there.status).toBe(404);
      await publishAndInstall(`${program.url}/packages/npm/`, '2.0.0');
      const [below, above] = [await packument(`${program.url}/packages/npm/`), await packument(`${program.url}/npm/`)];
      expect(Object.keys(below.versions)).toEqual(['2.0.0']);
      expect(below.versions['2.0.0']?.dist.tarball).toBe(`${program.url}/packages/npm/${NAME}/-/thing-2.0.0.tgz`);
      expect(Object.keys(above.versions)).toEqual(['1.0.0']);
      await endsWell(program);
    });

    it('leaves what is not its own to the handlers behind it, bodies included', async () => {
      const program = await serve('express-handler');
      expect(await (await fetch(`${program.url}/hello`)).text()).toBe('hello');
      const echo = await fetch(`${program.url}/echo`, { method: 'POST', headers: json, body: '{"a":[1]}' });
      expect(await echo.json()).toEqual({ a: [1] });
      expect((await fetch(`${program.url}/npm/nothing`, { headers: authorization })).status).toBe(404);
      await endsWell(program);
    });

    it('by hand: publish and install below a prefix', async () => {
      const below = await serve('express-by-hand', { MOUNT: '/packages' });
      await publishAndInstall(`${below.url}/packages/npm/`);
      const { versions } = await packument(`${below.url}/packages/npm/`);
      expect(versions['1.0.0']?.dist.tarball).toBe(`${below.url}/packages/npm/${NAME}/-/thing-1.0.0.tgz`);
      await endsWell(below);
    });

    it('by hand: tells the reason phrase and a repeated query parameter', async () => {
      const program = await serve('express-by-hand');
      const missing = await fetch(`${program.url}/npm/nothing`, { headers: authorization });
      expect([missing.status, missing.statusText.toLowerCase()]).toEqual([404, 'not found']);
      const search = await fetch(`${program.url}/npm/-/v1/search?text=a&text=b&filter[deep]=1`, { headers: authorization });
      expect(search.status).toBe(200);
      await endsWell(program);
    });

    it.each(['express-handler', 'express-by-hand-guarded'])(
      '%s: a client that leaves half-way closes the file behind it',
      async (sample) => {
        const root = scratch();
        const program = await serve(sample, { ENTREPOT_ROOT: root });
        await leaveHalfWay(program, root, await publishLarge(`${program.url}/npm/`));
        await endsWell(program);
      },
    );

    it('the older form behind express.json(): publish, install, tag, deprecate, unpublish', async () => {
      const program = await serve('express-older', { PATTERN: pattern, PARSER: 'json' });
      const client = await publishAndInstall(`${program.url}/npm/`);
      await client.publish('1.1.0');
      await client.npm(['dist-tag', 'add', `${NAME}@1.0.0`, 'old'], scratch());
      await client.npm(['deprecate', `${NAME}@1.0.0`, 'no longer kept'], scratch());
      expect((await packument(`${program.url}/npm/`))['dist-tags']).toEqual({
        latest: '1.1.0',
        old: '1.0.0',
      });
      expect((await packument(`${program.url}/npm/`)).versions['1.0.0']?.deprecated).toBe('no longer kept');
      await client.npm(['unpublish', `${NAME}@1.1.0`], scratch());
      expect((await packument(`${program.url}/npm/`))['dist-tags']).toEqual({
        latest: '1.0.0',
        old: '1.0.0',
      });
      await endsWell(program);
    });

    it('the older form behind express.raw(): publish, install, tag', async () => {
      const program = await serve('express-older', { PATTERN: pattern, PARSER: 'raw' });
      const client = await publishAndInstall(`${program.url}/npm/`);
      await client.npm(['dist-tag', 'add', `${NAME}@1.0.0`, 'old'], scratch());
      expect((await packument(`${program.url}/npm/`))['dist-tags']).toEqual({
        latest: '1.0.0',
        old: '1.0.0',
      });
      await endsWell(program);
    });

    it.each(['none', 'greedy'])(
      'the older form says where to mount the registry when the body is gone (parser: %s)',
      async (parser) => {
        const program = await serve('express-older', { PATTERN: pattern, PARSER: parser });
        const answer = await fetch(`${program.url}/npm/thing`, { method: 'PUT', headers: json, body: '{"name":"thing"}' });
        expect(answer.status).toBe(400);
        expect(await answer.json()).toMatchObject({ error: expect.stringContaining('mount the registry before body parsers') });
        await endsWell(program);
      },
    );

    it('the older form reads without a body, whatever a parser leaves in its place', async () => {
      const program = await serve('express-older', { PATTERN: pattern, PARSER: 'json' });
      const who = await fetch(`${program.url}/npm/-/whoami`, { headers: authorization });
      expect(who.status).toBe(200);
      await endsWell(program);
    });

    it(`app.all('*') ${host === 'express-5' ? 'is refused by the framework itself' : 'is what the framework takes'}`, async () => {
      const file = join(out, 'star.js');
      writeFileSync(file, "import express from 'express'; express().all('*', () => {}); console.log('listening 1');\n");
      const started = start('node', file).then(
        () => 'taken',
        (error: Error) => error.message,
      );
      if (host === 'express-5') expect(await started).toContain('Missing parameter name');
      else expect(await started).toBe('taken');
    });
  });
}
