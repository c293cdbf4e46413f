import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, makeImage, makeIndex, writeLayout } from '../oci-image.js';
import { lines, type OciMachine } from '../oci-machine.js';
import { lacksOci } from '../programs.js';
import { type OciRig, type OciSetup, PASSWORD, START_MS } from './oci-rig.js';

const THING = 'application/vnd.example.thing';
const SIGNATURE = 'application/vnd.example.signature';
const NOTE = 'application/vnd.example.note';
const HTTP = '--plain-http';

interface Discovered {
  readonly digest: string;
  readonly artifactType?: string;
  readonly referrers?: readonly Discovered[];
}

export function orasScenario(setup: OciSetup, without = false): void {
  describe.skipIf(without || lacksOci('oras'))(`oras against ${setup.title}`, { timeout: 120_000 }, () => {
    let rig: OciRig;
    let bob: OciMachine;
    let stranger: OciMachine;
    beforeAll(async () => {
      rig = await setup.start();
      [bob, stranger] = [rig.machine(), rig.machine()];
      for (const machine of [bob, stranger]) for (const name of ['one.txt', 'two.txt']) machine.write(name, `${name} of ours`);
      await login(bob, rig.token);
    }, START_MS);
    afterAll(() => rig?.stop());

    const login = (machine: OciMachine, secret: string): Promise<string> =>
      machine.out('oras', ['login', rig.host, HTTP, '-u', 'bob', '--password-stdin'], { input: secret });
    const oras = (...args: readonly string[]): Promise<string> => bob.out('oras', args);
    const at = (reference: string): string => `${rig.host}/oras/${reference}`;
    /** Pushes an artifact of two files; resolves with its digest. */
    const push = async (reference: string): Promise<string> => {
      await oras('push', HTTP, at(reference), '--artifact-type', THING, 'one.txt:text/plain', 'two.txt');
      return (await oras('resolve', HTTP, at(reference))).trim();
    };
    const discover = async (reference: string, ...more: readonly string[]): Promise<readonly Discovered[]> => {
      const told = await stranger.out('oras', ['discover', HTTP, '--format', 'json', at(reference), ...more]);
      return (JSON.parse(told) as Discovered).referrers ?? [];
    };

    it('oci 42: pushes files and pulls them into an empty folder, as anyone', async () => {
      const digest = await push('files:v1');
      expect(await rig.digest('oras/files', 'v1')).toBe(digest);
      await stranger.out('oras', ['pull', HTTP, '-o', stranger.path('pulled'), at('files:v1')]);
      for (const name of ['one.txt', 'two.txt'])
        expect(readFileSync(stranger.path(`pulled/${name}`), 'utf8')).toBe(`${name} of ours`);
      expect(await stranger.fails('oras', ['pull', HTTP, at('files:none')])).toContain('not found');
    });

    it('oci 42: attaches, discovers all or of one type, and what is attached to that; no fallback tag is made', async () => {
      const digest = await push('subject:v1');
      const attach = async (to: string, type: string): Promise<string> => {
        const told = await oras('attach', HTTP, '--format', 'json', to, '--artifact-type', type, 'one.txt');
        return (JSON.parse(told) as { readonly digest: string }).digest;
      };
      const signature = await attach(at('subject:v1'), SIGNATURE);
      const note = await attach(at(`subject@${digest}`), NOTE);
      const onSignature = await attach(at(`subject@${signature}`), NOTE);
      const found = await discover('subject:v1');
      expect(found.map((one) => one.digest).toSorted()).toEqual([signature, note].toSorted());
      expect(found.find((one) => one.digest === signature)?.referrers).toMatchObject([{ digest: onSignature }]);
      expect(await discover('subject:v1', '--artifact-type', NOTE)).toMatchObject([{ digest: note, artifactType: NOTE }]);
      expect(await rig.tags('oras/subject')).toEqual(['v1']);
      await oras('manifest', 'delete', HTTP, '-f', at(`subject@${note}`));
      expect(await discover('subject:v1', '--artifact-type', NOTE)).toEqual([]);
    });

    it('oci 42: cp -r takes along what is attached, from a layout all architectures', async () => {
      const digest = await push('origin:v1');
      await oras('attach', HTTP, at('origin:v1'), '--artifact-type', SIGNATURE, 'two.txt');
      await oras('cp', '-r', '--from-plain-http', '--to-plain-http', at('origin:v1'), at('copy:v1'));
      expect(await rig.digest('oras/copy', 'v1')).toBe(digest);
      expect(await discover('copy:v1')).toMatchObject([{ artifactType: SIGNATURE }]);
      const index = makeIndex([await makeImage(), await makeImage({ architecture: 'arm64' })]);
      const layout = writeLayout(bob.path('layout'), { v1: index });
      await oras('cp', '-r', '--from-oci-layout', `${layout}:v1`, '--to-plain-http', at('many:v1'));
      expect(await rig.digest('oras/many', 'v1')).toBe(index.digest);
      const arm = await oras('resolve', HTTP, '--platform', 'linux/arm64', at('many:v1'));
      await oras('manifest', 'index', 'create', HTTP, at('many:arm'), arm.trim());
      expect(await rig.tags('oras/many')).toEqual(['arm', 'v1']);
    });

    it('oci 42: lists tags and repositories, moves a tag, deletes a manifest', async () => {
      const first = await push('listed:v1');
      bob.write('one.txt', 'another text');
      const second = await push('listed:v2');
      expect(second).not.toBe(first);
      await oras('tag', HTTP, at('listed:v1'), 'latest', 'stable');
      await oras('tag', HTTP, at('listed:v2'), 'latest');
      expect(lines(await oras('repo', 'tags', HTTP, at('listed')))).toEqual(['latest', 'stable', 'v1', 'v2']);
      expect(await rig.digest('oras/listed', 'latest')).toBe(second);
      expect(lines(await oras('repo', 'ls', HTTP, rig.host))).toContain('oras/listed');
      await oras('manifest', 'delete', HTTP, '-f', at('listed:v2'));
      expect(await rig.tags('oras/listed')).toEqual(['stable', 'v1']);
    });

    it('oci 42: pushes, fetches and deletes a blob; backs up and restores', async () => {
      await push('blobs:v1');
      await oras('attach', HTTP, at('blobs:v1'), '--artifact-type', SIGNATURE, 'two.txt');
      bob.write('blob', 'a blob of its own');
      const blob = at(`blobs@${digestOf(Buffer.from('a blob of its own'))}`);
      await oras('blob', 'push', HTTP, at('blobs'), 'blob');
      expect(await stranger.out('oras', ['blob', 'fetch', HTTP, '--output', '-', blob])).toBe('a blob of its own');
      await oras('blob', 'delete', HTTP, '-f', blob);
      expect(await stranger.fails('oras', ['blob', 'fetch', HTTP, '--output', '-', blob])).toContain('not found');
      await oras('backup', HTTP, '--include-referrers', '--output', bob.path('backup'), at('blobs:v1'));
      await oras('restore', HTTP, '--input', bob.path('backup'), at('restored:v1'));
      expect(await discover('restored:v1')).toMatchObject([{ artifactType: SIGNATURE }]);
    });

    it('oci 40: what may not be is refused, readably, and leaves nothing', async () => {
      const attempt = ['push', HTTP, at('denied:v1'), 'two.txt'];
      expect(await stranger.fails('oras', attempt)).toContain('401: Unauthorized');
      const reader = rig.machine();
      reader.write('two.txt', 'two');
      await login(reader, rig.reader);
      expect(await reader.fails('oras', attempt)).toContain('denied: ');
      const wrong = ['login', rig.host, HTTP, '-u', 'bob', '--password-stdin'];
      expect(await reader.fails('oras', wrong, { input: 'wrong' })).toContain('unauthorized: The credentials are not valid');
      expect(await rig.tags('oras/denied')).toBeUndefined();
      await reader.out('oras', ['logout', rig.host]);
      expect(await reader.fails('oras', attempt)).toContain('401: Unauthorized');
      await login(reader, PASSWORD);
      await reader.out('oras', attempt);
    });
  });
}
