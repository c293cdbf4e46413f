import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * The files that take longest, the longest first, as CI runs them (by hand most of them take a sample): whatever starts last keeps one core busy while
 * the other has nothing left. The reporter's line `slowest:` says what belongs here.
 */
const LONGEST: readonly string[] = [
  'proof/histories.test.ts',
  'proof/memory.test.ts',
  'proof/oci-memory.test.ts',
  'clients/npm-instances.test.ts',
  'clients/npm-upstream-instances.test.ts',
  'models/oci-collection.test.ts',
  'faults/npm-upstream.test.ts',
  'faults/oci.test.ts',
  'clients/oci-instances.test.ts',
  'conformance/oci/conformance.test.ts',
  'faults/double.test.ts',
  'faults/s3.test.ts',
  'clients/npm-versions.test.ts',
  'clients/npm-workers.test.ts',
  'clients/npm-upstream-verdaccio.test.ts',
  'clients/command-line.test.ts',
  'clients/npm-organisations.test.ts',
  'clients/npm.test.ts',
  'clients/npm-second-factor.test.ts',
  'models/pure/rules.test.ts',
  'models/freshness.test.ts',
  'fuzz/front-door.test.ts',
  'faults/single.test.ts',
  'faults/npm.test.ts',
  'faults/folder.test.ts',
  'proof/authorisation.test.ts',
  'proof/oci-authorisation.test.ts',
  'proof/providers.test.ts',
  'proof/races.test.ts',
  'clients/fresh-clone.test.ts',
  'clients/oci-large.test.ts',
  'clients/large.test.ts',
  'clients/oci-cut.test.ts',
  'storage/probe.test.ts',
  'server/commands.test.ts',
  'contract/storage-driver.test.ts',
  'protocols/npm/publish-body-tarball.test.ts',
  'hosts/auth-provider.test.ts',
  'server/serve.test.ts',
  'proof/oci-bad-input.test.ts',
  'proof/bad-input.test.ts',
  'package/package.test.ts',
  'fuzz/bombs.test.ts',
  'protocols/npm/large-documents.test.ts',
  'hosts/node-http.test.ts',
  'readme/samples.test.ts',
  'server/workers.test.ts',
  'server/signs-of-life.test.ts',
  'models/own-markers.test.ts',
  'models/feed.test.ts',
  'proof/oci-races.test.ts',
  'proof/secrets.test.ts',
  'storage/s3-upload.test.ts',
  'hosts/public-api.test.ts',
  'hosts/worker.test.ts',
];

const rank = new Map(LONGEST.map((name, at) => [name, at]));

/**
 * Those that have a process to themselves, then the others: a process that several share is ended when another kind is next, and the one after it reads all
 * sources again. Among either the long ones first.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rankOf = ({ moduleId }: TestSpecification): number =>
      rank.get(relative(`${this.ctx.config.root}/test`, moduleId)) ?? LONGEST.length;
    const shares = ({ project }: TestSpecification): number => (project.name === 'alone' ? 0 : 1);
    return (await super.sort(files)).sort((a, b) => shares(a) - shares(b) || rankOf(a) - rankOf(b));
  }
}
