import { expect, it } from 'vitest';
import { worked } from '../processes.js';
import { storedBelow } from '../setups.js';
import type { Rig } from './rig.js';

const LOOKS = 120;

/** What has been stored, once everything else has run. */
export function storage(rig: () => Rig): void {
  it('has no marker left, a history of each change, and nothing that verify or gc would complain of', async () => {
    const { site } = rig();
    for (let look = 0; storedBelow(site, 'pending').length > 0 && look < LOOKS; look++)
      await new Promise((resolve) => setTimeout(resolve, 500));
    expect(storedBelow(site, 'pending')).toEqual([]);
    const verified = worked(await site.command(['verify', '--json']))
      .out.trim()
      .split('\n');
    expect(verified.map((line) => JSON.parse(line))).toEqual([expect.objectContaining({ problems: 0 })]);
    const history = worked(await site.command(['history', 'npm', 'shrinking', '--json'])).out;
    expect(history.match(/"type":"publish"/g)).toHaveLength(3);
    expect(history).toContain('"type":"delete"');
    const collected = JSON.parse(worked(await site.command(['gc', '--dry-run', '--json'])).out) as object[];
    expect(collected).toContainEqual(expect.objectContaining({ repository: 'npm', condemned: 0, foreign: 0, spared: 0 }));
  });

  it('shows no token and no password in any log line', () => {
    const { site } = rig();
    const lines = site.servers.flatMap(({ lines: all }) => all).filter((line) => !line.includes('shown this once'));
    expect(lines.length).toBeGreaterThan(process.env.REQUIRE_CLIENTS ? 50 : 30);
    expect(lines.filter((line) => /ent_[a-z0-9]{8}|password with spaces/.test(line))).toEqual([]);
    expect(lines.filter((line) => /"level":"(error|warn)"/.test(line))).toEqual([]);
  });
}
