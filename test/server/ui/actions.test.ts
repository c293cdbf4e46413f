import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { shownBy } from '../../protocols/npm/authenticator.js';
import { logIn, openTab, type Served, served, type Tab } from './rig.js';

const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
const digestOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

let house: Served;
let [ann, bob, reader] = ['', '', ''];
beforeAll(async () => {
  house = await served({ anonymousRead: ['npm'] });
  ann = await house.user('ann');
  bob = await house.user('bob');
  reader = await house.user('ann', { readonly: true });
});

/** A tab in which somebody is logged in. */
async function tabOf(token: string, hash: string): Promise<Tab> {
  const tab = await openTab(house.url, '#/login');
  await logIn(tab, token);
  await tab.sees('Point the client here');
  tab.open(hash);
  return tab;
}

const states = (tab: Tab): readonly (string | null)[] => tab.all('td[data-column=State]').map((cell) => cell.textContent);

describe('what the page does', () => {
  it('yanks with a reason, and takes it back', async () => {
    for (const version of ['1.0.0', '2.0.0']) await house.publish(ann, 'tool', version);
    const tab = await tabOf(ann, '#/repositories/npm/tool');
    await tab.sees('2 of 2 shown');
    tab.press('Yank 1.0.0');
    tab.type('reason', 'broken on Mondays');
    tab.submit('dialog form');
    await tab.sees('Yanked 1.0.0 of tool in npm.');
    expect(states(tab)).toEqual(['available', 'yanked or deprecated: broken on Mondays']);
    expect(tab.all('dialog')).toEqual([]);
    expect(tab.window.document.activeElement?.tagName).toBe('H1');
    tab.press('Undo yank 1.0.0');
    tab.submit('dialog form');
    await tab.sees('1.0.0 of tool in npm is available again.');
    expect(states(tab)).toEqual(['available', 'available']);
  });

  it('deletes a version or the package when its name was typed, and not before', async () => {
    for (const version of ['1.0.0', '2.0.0']) await house.publish(ann, 'old-tool', version);
    const tab = await tabOf(ann, '#/repositories/npm/old-tool');
    await tab.sees('2 of 2 shown');
    tab.press('Delete 1.0.0');
    const asked = tab.sent.length;
    tab.submit('dialog form');
    tab.type('typed', '1.0');
    tab.submit('dialog form');
    expect(tab.sent).toHaveLength(asked);
    expect(tab.find('dialog button', 'Delete').hasAttribute('disabled')).toBe(true);
    tab.type('typed', '1.0.0');
    tab.submit('dialog form');
    await tab.sees('Deleted 1.0.0 of old-tool in npm.');
    expect(tab.all('tbody th').map((cell) => cell.textContent)).toEqual(['2.0.0']);
    tab.press('Delete the package…');
    tab.press('Cancel');
    expect(tab.all('dialog')).toEqual([]);
    tab.press('Delete the package…');
    tab.type('typed', 'old-tool');
    tab.submit('dialog form');
    await tab.sees('Packages in npm');
    expect(tab.all('.names a').map((link) => link.textContent)).not.toContain('old-tool');
    expect(tab.sent.filter(({ method }) => method === 'DELETE')).toHaveLength(2);
  });

  it('offers nothing to who may do nothing, and shows a refusal in words', async () => {
    await house.publish(ann, 'guarded', '1.0.0');
    for (const token of [bob, reader]) {
      const tab = await tabOf(token, '#/repositories/npm/guarded');
      await tab.sees('1 of 1 shown');
      expect(tab.all('main tbody button, main section button:not([hidden])')).toEqual([]);
    }
    const tab = await tabOf(ann, '#/repositories/npm/guarded');
    await tab.sees('1 of 1 shown');
    // meanwhile somebody else has become the owner
    const answer = await fetch(`${house.url}/-/api/v1/repositories/npm/packages/guarded/owners`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${ann}` },
      body: JSON.stringify({ owners: ['bob'] }),
    });
    expect(answer.status).toBe(200);
    tab.press('Yank 1.0.0');
    tab.submit('dialog form');
    await tab.sees('You may not do this: ');
    expect(tab.all('dialog')).toHaveLength(1);
    tab.press('Cancel');
    expect(states(tab)).toEqual(['available']);
  });

  it('changes visibility and owners', async () => {
    await house.publish(ann, 'shared', '1.0.0');
    const tab = await tabOf(ann, '#/repositories/npm/shared');
    await tab.sees('everybody who may read the repository');
    tab.press('Make it restricted…');
    tab.submit('dialog form');
    await tab.sees('shared is restricted now.');
    expect(tab.text()).toContain('users with the right scope');
    tab.press('Change the owners…');
    tab.type('owners', 'ann\nnobody-known');
    tab.submit('dialog form');
    await tab.sees('there is no user nobody-known');
    tab.type('owners', 'ann, bob');
    tab.submit('dialog form');
    await tab.sees('The owners of shared are ann, bob now.');
    expect(tab.all('dl span').map((one) => one.textContent)).toEqual(['ann', 'bob']);
  });

  it('makes a token with the limits that were asked for, shows it once, lists and revokes it', async () => {
    const tab = await tabOf(ann, '#/tokens');
    await tab.sees('A new token');
    tab.type('token-name', 'build 7');
    tab.type('token-scopes', 'npm:package:*:read');
    tab.type('token-life', '30');
    tab.submit();
    await tab.sees('shown this once');
    const made = tab.all('main .command code').at(-1)?.textContent ?? '';
    expect(made).toMatch(/^ent_[a-z2-7]{32}_[a-z2-7]{40}$/);
    tab.open('#/');
    await tab.sees('Point the client here');
    expect(tab.text()).not.toContain(made);
    tab.open('#/tokens');
    await tab.sees('build 7');
    expect(tab.text()).not.toContain(made);
    const row = tab.all('tbody tr').find((one) => one.textContent?.includes('build 7'));
    expect(row?.textContent).toContain('npm:package:*:read');
    expect(row?.querySelectorAll('time')).toHaveLength(2);
    tab.press('Revoke build 7');
    tab.submit('dialog form');
    await tab.sees('Revoked build 7.');
    expect(tab.all('tbody tr').some((one) => one.textContent?.includes('build 7'))).toBe(false);
    const refused = await openTab(house.url, '#/login');
    refused.type('token', made);
    refused.submit();
    await refused.sees('This token is not valid.');
  });

  it('asks to log in again when the token is revoked meanwhile, and forgets it', async () => {
    const dying = await house.user('ann');
    const tab = await tabOf(dying, '#/repositories/npm');
    await tab.sees('Packages in npm');
    const { directory } = house.registry.parts.auth;
    const user = await directory?.find('ann');
    const id = [...(user?.tokens.keys() ?? [])].at(-1) ?? '';
    await directory?.revokeToken(user?.id ?? '', id);
    tab.open('#/tokens');
    await tab.sees('The token is not valid any more.');
    expect(tab.window.sessionStorage.length).toBe(0);
  });

  it('lets anybody read where that is on, and offers to log in', async () => {
    await house.publish(ann, 'open-tool', '1.0.0');
    await house.publish(ann, 'closed-tool', '1.0.0', { access: 'restricted' });
    const tab = await openTab(house.url);
    await tab.sees('Point the client here');
    expect(tab.text()).not.toContain('docker');
    tab.open('#/repositories/npm');
    await tab.sees('open-tool');
    expect(tab.text()).not.toContain('closed-tool');
    tab.open('#/repositories/npm/open-tool');
    await tab.sees('1 of 1 shown');
    expect(tab.all('main tbody button')).toEqual([]);
    tab.open('#/repositories/npm/closed-tool');
    await tab.sees('Not found');
    tab.open('#/tokens');
    await tab.sees('The token is kept in this tab');
    expect(tab.sent.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  it('shows images: what a tag names, whole digests to copy, and no yank', async () => {
    const put = async (path: string, method: string, body: string, type: string): Promise<void> => {
      const headers = { authorization: `Bearer ${ann}`, 'content-type': type };
      const { status } = await fetch(house.url + path, { method, headers, body });
      if (status !== 201) throw new Error(`${path}: ${status}`);
    };
    await put(`/v2/team/app/blobs/uploads/?digest=${digestOf('{}')}`, 'POST', '{}', 'application/octet-stream');
    const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 };
    const manifest = JSON.stringify({ schemaVersion: 2, config, layers: [] });
    await put('/v2/team/app/manifests/v1', 'PUT', manifest, IMAGE);
    const tab = await tabOf(ann, '#/repositories/oci/team%2Fapp');
    await tab.sees('2 of 2 shown');
    const digest = digestOf(manifest);
    expect(tab.all('tbody code').map((code) => code.getAttribute('title'))).toEqual([digest, digest]);
    expect(tab.find('button', `Copy the digest ${digest}`)).toBeDefined();
    expect(tab.all('tbody button').map((button) => button.textContent)).toEqual(['Copy', 'Delete', 'Copy', 'Delete']);
    tab.press('Delete v1');
    tab.type('typed', 'v1');
    tab.submit('dialog form');
    await tab.sees('Deleted v1 of team/app in oci.');
    expect(tab.all('tbody tr')).toHaveLength(1);
    tab.press(`Delete ${digest}`);
    tab.type('typed', digest.slice('sha256:'.length).slice(0, 12));
    tab.submit('dialog form');
    await tab.sees(`Deleted ${digest} of team/app in oci.`);
  });

  it('asks for a one-time password where the user has turned them on', async () => {
    const eve = await house.user('eve');
    await house.publish(eve, 'careful', '1.0.0');
    const { directory, accounts, manager } = house.registry.parts.auth;
    const { id = '' } = (await directory?.find('eve')) ?? {};
    await directory?.setPassword(id, 'correct horse');
    const caller = await manager.identify(new Map([['authorization', `Bearer ${eve}`]]), {
      protocol: 'npm',
      repository: 'npm',
      address: undefined,
      signal: new AbortController().signal,
    });
    if (!caller) throw new Error('eve is nobody');
    const url = await accounts.changeSecondFactor(caller, { password: 'correct horse', mode: 'auth-and-writes' });
    const recovery = await accounts.finishSecondFactor(caller, shownBy(url ?? '', Date.now()));
    const tab = await tabOf(eve, '#/repositories/npm/careful');
    await tab.sees('1 of 1 shown');
    tab.press('Yank 1.0.0');
    tab.submit('dialog form');
    await tab.sees('A one-time password is needed');
    expect(tab.window.document.getElementById('code')?.parentElement?.hasAttribute('hidden')).toBe(false);
    tab.type('code', '000000');
    tab.submit('dialog form');
    // until the refusal has come, the button does nothing
    await tab.waits(() => !tab.find('dialog button', 'Yank').hasAttribute('disabled'), 'the refusal of a wrong code');
    expect(states(tab)).toEqual(['available']);
    tab.type('code', recovery[0] ?? '');
    tab.submit('dialog form');
    await tab.sees('Yanked 1.0.0 of careful in npm.');
    expect(states(tab)).toEqual(['yanked or deprecated']);
  });

  it('shows many versions and changes a hundred at a time', async () => {
    const versions = Array.from({ length: 103 }, (_, n) => `1.0.${n}`);
    await Promise.all(versions.map((version) => house.publish(ann, 'many', version)));
    const tab = await tabOf(ann, '#/repositories/npm/many');
    await tab.sees('100 of 103 shown');
    tab.press('Show older ones');
    await tab.sees('103 of 103 shown');
    expect(new Set(tab.all('tbody th').map((cell) => cell.textContent))).toEqual(new Set(versions));
    expect(tab.find('button', 'Show older ones').hasAttribute('hidden')).toBe(true);
    tab.open('#/repositories/npm/many/history');
    await tab.sees('The newest 100 changes shown.');
    tab.press('Show older changes');
    await tab.sees('All 104 changes shown.');
  });
});
