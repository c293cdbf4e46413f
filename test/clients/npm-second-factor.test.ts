import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shownBy } from '../protocols/npm/authenticator.js';
import { refused, worked } from './processes.js';
import { type ClientName, clientProgram, lacks, onPath, required } from './programs.js';
import type { Sandbox } from './sandbox.js';
import { ask, PASSWORD, type Rig, startRig } from './scenario/rig.js';
import { ONE_PROCESS } from './setups.js';
import { atTerminal, browser } from './terminal.js';

// What the rule tests say of one-time passwords, again with a person at the terminal: two minutes that only CI spends.
const VERSIONS: readonly ClientName[] = ['npm-9', 'npm-11'];
const quick = !process.env['REQUIRE_CLIENTS'];
if (quick) console.log('skipped: two-factor authentication with npm 9 and 11 takes two minutes; REQUIRE_CLIENTS=1 runs it');

/** What an authenticator app shows, for the script at the terminal. */
const APP = `import { createHmac } from 'node:crypto';
const bits = [...process.argv[2]].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
const counter = Buffer.alloc(8);
counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000)));
const mac = createHmac('sha1', key).update(counter).digest();
process.stdout.write(String(mac.readUInt32BE(mac[19] & 15) & 0x7fffffff).slice(-6).padStart(6, '0'));
`;

const missing = (version: ClientName): boolean =>
  quick || lacks(version, clientProgram(version)) || lacks('expect', onPath('expect'));

describe.each(VERSIONS)('npm 18: two-factor authentication with %s', { timeout: 120_000 }, (version) => {
  let rig: Rig;
  let carol: Sandbox;
  let secret = '';
  let codes: string[] = [];
  const skipped = missing(version);
  const program = (): string => required(version, clientProgram(version));
  const terminal = (script: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    atTerminal(carol, script, env, program());
  const typed = (prompt: string, text: string): readonly string[] => [`expect "${prompt}"`, `send "${text}\\r"`];
  const folder = (at: number): string => carol.package({ name: 'guarded', version: `1.0.${at}` });
  const published = async (): Promise<readonly string[]> => {
    const answer = await ask(rig.site, 'guarded');
    return answer.status === 200 ? Object.keys(((await answer.json()) as { versions: object }).versions) : [];
  };
  beforeAll(async () => {
    if (skipped) return;
    rig = await startRig(ONE_PROCESS, program());
    carol = rig.carol;
  });
  afterAll(() => rig?.stop());

  it.skipIf(skipped)('profile enable-2fa shows a secret and recovery codes; profile get tells the mode', async () => {
    carol.write('app.mjs', APP);
    const script = [
      ...typed('assword:', PASSWORD),
      'expect -re {enter code: ([A-Z2-7]+)}',
      `set code [exec ${process.execPath} ${join(carol.home, 'app.mjs')} $expect_out(1,string)]`,
      'expect "authenticator:"',
      'send "$code\\r"',
    ];
    const { out } = worked(await (await terminal(script))('profile', 'enable-2fa', 'auth-and-writes'));
    secret = /enter code: ([A-Z2-7]+)/.exec(out)?.[1] ?? '';
    expect(out).toContain('2FA successfully enabled');
    codes = out.match(/\b[0-9a-f]{64}\b/g) ?? [];
    expect(codes).toHaveLength(10);
    expect(await carol.out(['profile', 'get'])).toMatch(/two-factor auth:? *auth-and-writes|two-factor auth.*auth-and-writes/);
  });

  it.skipIf(skipped)('publish without a code says what is missing; with --otp it goes through', async () => {
    const no = refused(await carol.npm(['publish'], folder(0)));
    expect(no.err).toMatch(/EOTP/);
    expect(no.err).toMatch(/one-time password/);
    expect(await published()).toEqual([]);
    worked(await carol.npm(['publish', `--otp=${shownBy(secret, Date.now() + 30_000)}`], folder(0)));
    expect(await published()).toEqual(['1.0.0']);
  });

  it.skipIf(skipped)('publish asks for a code at the terminal', async () => {
    const at = await terminal(typed('OTP', codes.pop() ?? ''));
    worked(await at('publish', folder(1), '--auth-type=legacy'));
    expect(await published()).toEqual(['1.0.0', '1.0.1']);
  });

  it.skipIf(skipped)('publish sends to a page, and goes through when a code was given there', async () => {
    const path = browser(carol, { code: codes.pop() ?? '' });
    const at = await terminal(['expect "ENTER"', 'send "\\r"'], path);
    worked(await at('publish', folder(2), '--auth-type=web'));
    expect(await published()).toEqual(['1.0.0', '1.0.1', '1.0.2']);
  });

  it.skipIf(skipped)('dist-tag, deprecate, owner and unpublish need one code each', async () => {
    const once = async (...args: readonly string[]): Promise<void> => {
      expect(refused(await carol.npm(args)).err).toMatch(/EOTP|OTP required/);
      worked(await carol.npm([...args, `--otp=${codes.pop()}`]));
    };
    await once('dist-tag', 'add', 'guarded@1.0.0', 'old');
    await once('deprecate', 'guarded@1.0.0', 'use another');
    await once('owner', 'add', 'bob', 'guarded');
    await once('unpublish', 'guarded@1.0.1', '--force');
    expect(await published()).toEqual(['1.0.0', '1.0.2']);
  });

  it.skipIf(skipped)('access set mfa is kept: who has no second factor is told to turn it on', async () => {
    worked(await carol.npm(['access', 'set', 'mfa=publish', 'guarded', `--otp=${codes.pop()}`]));
    const bob = refused(await rig.bob.npm(['publish'], rig.bob.package({ name: 'guarded', version: '2.0.0' })));
    expect(bob.err).toMatch(/E403/);
    expect(bob.err).toMatch(/two-factor authentication/);
  });

  it.skipIf(skipped)('legacy login asks for a code behind the password; disable-2fa ends it', async () => {
    const fresh = rig.machine();
    const login = [...typed('sername:', 'carol'), ...typed('assword:', PASSWORD), ...typed('OTP', codes.pop() ?? '')];
    worked(await (await atTerminal(fresh, login, {}, program()))('login', '--auth-type=legacy'));
    expect((await fresh.out(['whoami'])).trim()).toBe('carol');
    // npm 9 has other words for it.
    const end = [...typed('assword:', PASSWORD), 'expect -re {OTP:|one-time password:}', `send "${codes.pop()}\\r"`];
    worked(await (await terminal(end))('profile', 'disable-2fa', '--auth-type=legacy'));
    expect(await carol.json(['profile', 'get'])).toMatchObject({ tfa: false });
  });
});
