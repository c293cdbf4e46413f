import { invalid } from '../../errors/registry-error.js';
import { parseJsonObjectInTurns } from '../../formats/json-in-turns.js';
import { utf8 } from '../../lib/bytes.js';
import { type Fields, isFields } from './fields.js';
import type { NpmName } from './names.js';
import type { Signer } from './signer.js';

/** What is published, as attestations speak of it. */
export interface Subject {
  readonly name: NpmName;
  /** As the client wrote it, and without build metadata: either may stand in the package URL. */
  readonly versions: readonly string[];
  /** Of the tarball, hex. */
  readonly sha512: string;
}

const IN_TOTO = 'application/vnd.in-toto+json';
const STATEMENT = /^https:\/\/in-toto\.io\/Statement\/v(?:0\.1|1)$/;
const BUNDLE = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v\d+\.\d+\+json|\+json;version=\d+\.\d+)$/;
const PREDICATE = /^https:\/\/slsa\.dev\/provenance\/v[0-9.]{1,8}$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
/** https://github.com/npm/attestation/tree/main/specs/publish/v0.1 */
const PUBLISH = 'https://github.com/npm/attestation/tree/main/specs/publish/v0.1';

const bad = (problem: string) => invalid(`The provenance bundle ${problem}`, { code: 'bad_provenance' });

function fieldsOf(value: unknown, what: string): Fields {
  if (!isFields(value)) throw bad(`has no ${what}`);
  return value;
}

/** https://github.com/package-url/purl-spec: the `@` of a scope is escaped, its slash is not. */
const purl = ({ full }: NpmName, version: string): string => `pkg:npm/${full.replace(/^@/, '%40')}@${version}`;

async function statementOf(bundle: Fields): Promise<Fields> {
  const { payload, payloadType, signatures } = fieldsOf(bundle['dsseEnvelope'], 'dsseEnvelope');
  if (payloadType !== IN_TOTO) throw bad(`must hold ${IN_TOTO}`);
  if (typeof payload !== 'string' || !BASE64.test(payload)) throw bad('has a payload that is not base64');
  const signed =
    Array.isArray(signatures) &&
    signatures.length > 0 &&
    signatures.every((one) => isFields(one) && typeof one['sig'] === 'string');
  if (!signed) throw bad('is not signed');
  return parseJsonObjectInTurns(Buffer.from(payload, 'base64'), { what: 'the payload of a provenance bundle' });
}

/**
 * The form of a bundle, and that it is about this very tarball: one subject, whose package URL and SHA-512 are those of what is published. Answers its
 * predicate type. Throws `invalid`. Signatures, certificates and transparency logs are not looked at: clients verify those.
 */
export async function checkBundle(text: string, { name, versions, sha512 }: Subject): Promise<string> {
  const bundle = await parseJsonObjectInTurns(utf8(text), { what: 'a provenance bundle' });
  const { mediaType } = bundle;
  if (typeof mediaType !== 'string' || !BUNDLE.test(mediaType)) throw bad('has an unknown media type');
  fieldsOf(bundle['verificationMaterial'], 'verificationMaterial');
  const { _type, subject, predicateType, predicate } = await statementOf(bundle);
  if (typeof _type !== 'string' || !STATEMENT.test(_type)) throw bad('holds no in-toto statement');
  if (typeof predicateType !== 'string' || !PREDICATE.test(predicateType)) throw bad('states no SLSA provenance');
  fieldsOf(predicate, 'predicate');
  const [only, ...others] = Array.isArray(subject) ? (subject as readonly unknown[]) : [];
  if (others.length > 0) throw bad('has more than one subject');
  const { name: about, digest } = fieldsOf(only, 'subject');
  if (!versions.some((version) => about === purl(name, version))) throw bad(`is not about ${purl(name, versions[0] ?? '')}`);
  if (fieldsOf(digest, 'digest')['sha512'] !== sha512) throw bad('is about another tarball');
  return predicateType;
}

/** What is signed of an envelope: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md */
const preAuthentication = (payload: string): string =>
  `DSSEv1 ${Buffer.byteLength(IN_TOTO)} ${IN_TOTO} ${Buffer.byteLength(payload)} ${payload}`;

/** The registry's own word for having taken it, signed with the key of `dist.signatures`. */
async function publishBundle(
  { name, versions: [version = ''], sha512 }: Subject,
  registry: string,
  signer: Signer,
): Promise<object> {
  const payload = JSON.stringify({
    _type: 'https://in-toto.io/Statement/v0.1',
    subject: [{ name: purl(name, version), digest: { sha512 } }],
    predicateType: PUBLISH,
    predicate: { name: name.full, version, registry },
  });
  const { keyid, sig } = await signer.sign(preAuthentication(payload));
  return {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { publicKey: { hint: keyid }, tlogEntries: [] },
    dsseEnvelope: {
      payload: Buffer.from(payload).toString('base64'),
      payloadType: IN_TOTO,
      signatures: [{ keyid, sig }],
    },
  };
}

/** The document of the attestations route, made once, when the version is published: signatures are random. The client's bundle stands in it as it was sent. */
export async function attestationsDocument(
  subject: Subject,
  provenance: { readonly predicateType: string; readonly text: string },
  registry: string,
  signer: Signer | undefined,
): Promise<string> {
  const own = signer && { predicateType: PUBLISH, bundle: await publishBundle(subject, registry, signer) };
  const sent = `{"predicateType":${JSON.stringify(provenance.predicateType)},"bundle":${provenance.text}}`;
  return `{"attestations":[${own ? `${JSON.stringify(own)},` : ''}${sent}]}`;
}
