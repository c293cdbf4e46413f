import { invalid, type RegistryError } from '../../errors/registry-error.js';
import { parseJsonObjectInTurns } from '../../formats/json-in-turns.js';
import { JsonReader } from '../../formats/json-stream.js';
import { quote } from '../../formats/quote.js';
import { utf8 } from '../../lib/bytes.js';
import { type Steps, waitFor, walk } from '../../lib/steps.js';
import type { Fields } from './fields.js';
import { MAX_NAMES, MAX_TAGS, tooManyTags } from './limits.js';

/** A version's manifest as the client sent it. */
export interface SentVersion {
  /** JSON text of the object, byte for byte. */
  readonly bytes: Uint8Array;
  /** The object, without prototypes; parsed at each call, because a document may have thousands. Rejects with `invalid` for what `parseJson` refuses. */
  parse(): Promise<Fields>;
}

/** A tarball whose bytes have passed. */
export interface SentTarball<R> {
  /** As the client wrote it: `name-1.0.0.tgz`, `@scope/name-1.0.0.tgz`. */
  readonly fileName: string;
  readonly contentType: string | undefined;
  /** Decoded bytes; equal to the announced length where there was one. */
  readonly length: number;
  /** What the sink made of it. */
  readonly result: R;
}

/** A provenance bundle, which travels as text. */
export interface SentBundle {
  readonly fileName: string;
  readonly contentType: string | undefined;
  /** A JSON object. */
  readonly text: string;
}

/** Where the tarball goes while it passes. */
export interface PublishSink<R> {
  /**
   * Called at most once, as soon as the data begins. `contentType` is undefined where the client names it only behind the data. `bytes` throws what is
   * wrong with the body; what the sink leaves unread is read on its behalf. The result is void if the body turns out to be bad further on.
   */
  tarball(fileName: string, contentType: string | undefined, bytes: AsyncIterable<Uint8Array>): Promise<R>;
}

/** The document of `PUT /<package>`: a publish, or a change of deprecations, stars, owners or versions. Absent members are undefined. */
export interface PublishBody<R> {
  readonly id: string | undefined;
  readonly rev: string | undefined;
  readonly name: string | undefined;
  /** `null` and absent both leave the access as it is. */
  readonly access: string | undefined;
  /** Tag to version. */
  readonly distTags: ReadonlyMap<string, string> | undefined;
  /** Undefined when the document is not about versions, which is not the same as having none. */
  readonly versions: ReadonlyMap<string, SentVersion> | undefined;
  readonly maintainers: readonly unknown[] | undefined;
  /** User name to whether they have starred it. */
  readonly users: ReadonlyMap<string, boolean> | undefined;
  readonly tarball: SentTarball<R> | undefined;
  readonly bundle: SentBundle | undefined;
}

const MIB = 1024 ** 2;
/** Everything but the tarball's data. */
const MAX_DOCUMENT = 64 * MIB;
const MAX_MANIFEST = 4 * MIB;
const MAX_BUNDLE = 4 * MIB;
const MAX_LIST = MIB;
const MAX_TEXT = 64 * 1024;
const MAX_VERSION = 256;

const MANIFEST = 'the manifest of a version';
const BUNDLE = 'a provenance bundle';

/** Whoever gets these wrong means something that must not be guessed. */
const TEXTS = ['_id', '_rev', 'name', 'access'] as const;
type TextMember = (typeof TEXTS)[number];
const isText = (member: string): member is TextMember => (TEXTS as readonly string[]).includes(member);

/** One attachment, as far as it has been read. */
interface Draft<R> {
  readonly fileName: string;
  readonly isTarball: boolean;
  contentType: string | undefined;
  announced: number | undefined;
  tarball: { readonly length: number; readonly result: R } | undefined;
  bundle: string | undefined;
}

class BodyReader<R> {
  private readonly json: JsonReader;
  private readonly sink: PublishSink<R>;
  private readonly texts = new Map<TextMember, string>();
  private distTags: Map<string, string> | undefined;
  private versions: Map<string, SentVersion> | undefined;
  private maintainers: readonly unknown[] | undefined;
  private users: Map<string, boolean> | undefined;
  private tarball: SentTarball<R> | undefined;
  private bundle: SentBundle | undefined;

  constructor(json: JsonReader, sink: PublishSink<R>) {
    this.json = json;
    this.sink = sink;
  }

  *read(): Steps<PublishBody<R>> {
    yield* this.each((member) => this.take(member));
    yield* this.json.end();
    if (this.tarball && this.versions?.size !== 1) throw invalid('a tarball must be published with exactly one version');
    if (this.bundle && !this.tarball) throw invalid('a provenance bundle must be published with its tarball');
    return {
      id: this.texts.get('_id'),
      rev: this.texts.get('_rev'),
      name: this.texts.get('name'),
      access: this.texts.get('access'),
      distTags: this.distTags,
      versions: this.versions,
      maintainers: this.maintainers,
      users: this.users,
      tarball: this.tarball,
      bundle: this.bundle,
    };
  }

  private *each(take: (name: string) => Steps<void>): Steps<void> {
    const members = this.json.members();
    for (let name = yield* members.next(); name !== undefined; name = yield* members.next()) yield* take(name);
  }

  /** What is unknown is skipped: packuments carry whatever manifests do. */
  private *take(member: string): Steps<void> {
    if (isText(member)) yield* this.takeText(member);
    else if (member === 'dist-tags') this.distTags = yield* this.readTags();
    else if (member === 'versions') this.versions = yield* this.readVersions();
    else if (member === 'maintainers') this.maintainers = yield* this.readMaintainers();
    else if (member === 'users') this.users = yield* this.readUsers();
    else if (member === '_attachments') yield* this.each((name) => this.takeAttachment(name));
  }

  private *takeText(member: TextMember): Steps<void> {
    const value = yield* this.json.json(MAX_TEXT, member);
    if (typeof value === 'string') this.texts.set(member, value);
    else if (value !== null) throw invalid(`${member} must be a string`);
  }

  private *readTags(): Steps<Map<string, string>> {
    const tags = new Map<string, string>();
    const members = this.json.members();
    for (let tag = yield* members.next(); tag !== undefined; tag = yield* members.next()) {
      const version = yield* this.json.json(MAX_TEXT, 'a dist-tag');
      if (typeof version !== 'string') throw invalid(`dist-tag ${quote(tag)} must be a string`);
      if (tags.size === MAX_TAGS) throw tooManyTags();
      tags.set(tag, version);
    }
    return tags;
  }

  private *readVersions(): Steps<Map<string, SentVersion>> {
    const versions = new Map<string, SentVersion>();
    const members = this.json.members();
    for (let version = yield* members.next(); version !== undefined; version = yield* members.next()) {
      if (version.length > MAX_VERSION) throw invalid(`a version has more than ${MAX_VERSION} characters`);
      const bytes = yield* this.json.value(MAX_MANIFEST, MANIFEST);
      if (bytes[0] !== 0x7b) throw invalid(`the manifest of version ${quote(version)} must be an object`);
      versions.set(version, { bytes, parse: () => parseJsonObjectInTurns(bytes, { what: MANIFEST, maxNames: MAX_NAMES }) });
    }
    return versions;
  }

  private *readMaintainers(): Steps<readonly unknown[] | undefined> {
    const value = yield* this.json.json(MAX_LIST, 'maintainers');
    if (value !== null && !Array.isArray(value)) throw invalid('maintainers must be an array');
    return value ?? undefined;
  }

  private *readUsers(): Steps<Map<string, boolean> | undefined> {
    if (!(yield* this.json.isObject())) {
      if ((yield* this.json.json(MAX_TEXT, 'users')) !== null) throw invalid('users must be an object');
      return undefined;
    }
    const users = new Map<string, boolean>();
    const members = this.json.members();
    for (let user = yield* members.next(); user !== undefined; user = yield* members.next())
      users.set(user, (yield* this.json.json(MAX_TEXT, 'users')) === true);
    return users;
  }

  private *takeAttachment(fileName: string): Steps<void> {
    const isTarball = fileName.endsWith('.tgz');
    if (!isTarball && !fileName.endsWith('.sigstore')) throw invalid(`unknown attachment ${quote(fileName)}`);
    if (isTarball ? this.tarball : this.bundle)
      throw invalid(`more than one ${isTarball ? 'tarball' : 'provenance bundle'} attached`);
    const draft: Draft<R> = {
      fileName,
      isTarball,
      contentType: undefined,
      announced: undefined,
      tarball: undefined,
      bundle: undefined,
    };
    yield* this.each((field) => this.takeField(draft, field));
    this.finish(draft);
  }

  private *takeField(draft: Draft<R>, field: string): Steps<void> {
    if (field === 'content_type') {
      const value = yield* this.json.json(MAX_TEXT, field);
      draft.contentType = typeof value === 'string' ? value : undefined;
    } else if (field === 'length') {
      const value = yield* this.json.json(MAX_TEXT, field);
      if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw this.bad(draft, 'has a malformed length');
      draft.announced = value;
    } else if (field === 'data') {
      if (!(yield* this.json.isString())) throw this.bad(draft, 'has data that is no string');
      if (draft.isTarball) draft.tarball = yield* this.passTarball(draft);
      else draft.bundle = yield* this.readBundle();
    }
  }

  private finish({ fileName, contentType, announced, tarball, bundle }: Draft<R>): void {
    if (tarball) this.tarball = { fileName, contentType, ...tarball };
    else if (bundle !== undefined) this.bundle = { fileName, contentType, text: bundle };
    else throw invalid(`attachment ${quote(fileName)} has no data`);
    // npm counts a bundle's characters, not its bytes.
    const lengths = tarball ? [tarball.length] : [bundle?.length, Buffer.byteLength(bundle ?? '')];
    if (announced !== undefined && !lengths.includes(announced)) {
      throw invalid(`attachment ${quote(fileName)} is announced with ${announced} bytes and has ${lengths[0]}`);
    }
  }

  private *passTarball({ fileName, contentType }: Draft<R>): Steps<{ readonly length: number; readonly result: R }> {
    const bytes = this.json.base64();
    let length = 0;
    const next = async (): Promise<IteratorResult<Uint8Array>> => {
      const piece = await bytes.next();
      if (!piece.done) length += piece.value.byteLength;
      return piece;
    };
    // A loop that the sink leaves does not end the data: the rest is read below, its alphabet and its length checked.
    const result = yield* waitFor(
      this.sink.tarball(fileName, contentType, {
        [Symbol.asyncIterator]: () => ({ next, return: async () => ({ done: true, value: undefined }) }),
      }),
    );
    while (!(yield* waitFor(next())).done);
    return { length, result };
  }

  private *readBundle(): Steps<string> {
    const bundle = (yield* this.json.json(MAX_BUNDLE, BUNDLE)) as string;
    yield* waitFor(parseJsonObjectInTurns(utf8(bundle), { what: BUNDLE }));
    return bundle;
  }

  private bad({ fileName }: Draft<R>, problem: string): RegistryError {
    return invalid(`attachment ${quote(fileName)} ${problem}`);
  }
}

/**
 * Reads the document of a publish (or of another change to a package) while it arrives: the tarball goes to the sink as bytes, in constant memory;
 * everything else is bounded (64 MiB in all, 4 MiB a manifest). Members may come in any order, in attachments too.
 *
 * Throws `invalid` for what is not JSON or is cut off, a name twice among members, tags, versions or attachments, a member of the wrong kind, an attachment
 * that is neither a tarball nor a provenance bundle, two of one kind, data that is not base 64 or not as long as announced, and a tarball without exactly one
 * version; `too_large` beyond a limit. What the source and the sink throw passes as it is. The source is closed in every case.
 */
export async function readPublishBody<R>(source: AsyncIterable<Uint8Array>, sink: PublishSink<R>): Promise<PublishBody<R>> {
  const json = new JsonReader(source, { maxBytes: MAX_DOCUMENT, what: 'the body' });
  try {
    return await walk(new BodyReader(json, sink).read());
  } finally {
    json.close();
  }
}
