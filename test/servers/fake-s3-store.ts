import { createHash } from 'node:crypto';

/** What kind of store the fake is. Everything false: a store that keeps all promises. */
export interface Quirks {
  /** Takes `If-None-Match` and does nothing with it. */
  ignoresConditions?: boolean;
  /** Checks the condition when a request begins, not when it is applied. */
  racesConditions?: boolean;
  /** Answers 501 to conditional writes. */
  refusesConditions?: boolean;
  /** Answers 409 to a conditional write while another one of that key is under way. */
  conflictsWhileBusy?: boolean;
  /** 403 for missing keys: no right to list. */
  forbidsMissing?: boolean;
  /** A fresh key is not in this many listings. */
  staleListings?: number;
  /** A fresh key is not found by this many reads. */
  staleReads?: number;
  /** Keeps what arrived of an upload that was cut off. */
  keepsHalves?: boolean;
  /** The loser's bytes stay, though the right one was told that it won. */
  keepsLast?: boolean;
}

export interface StoredThing {
  body: Buffer;
  modified: number;
  etag: string;
  hiddenListings: number;
  hiddenReads: number;
}

interface OpenUpload {
  readonly key: string;
  readonly parts: Map<number, Buffer>;
}

export interface XmlAnswer {
  readonly status: number;
  readonly xml?: string;
  readonly headers?: Record<string, string>;
}

export const errorXml = (code: string): string => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`;
export const failure = (status: number, code: string): XmlAnswer => ({ status, xml: errorXml(code) });
const quoted = (body: Buffer): string => `"${createHash('md5').update(body).digest('hex')}"`;

/** Objects and open uploads of one bucket in memory. */
export class FakeStore {
  readonly objects = new Map<string, StoredThing>();
  readonly uploads = new Map<string, OpenUpload>();
  readonly quirks: Quirks;
  private serial = 0;

  constructor(quirks: Quirks) {
    this.quirks = quirks;
  }

  put(key: string, body: Buffer): string {
    const { staleListings = 0, staleReads = 0 } = this.quirks;
    const etag = quoted(body);
    const fresh = !this.objects.has(key);
    this.objects.set(key, {
      body,
      modified: Date.now(),
      etag,
      hiddenListings: fresh ? staleListings : 0,
      hiddenReads: fresh ? staleReads : 0,
    });
    return etag;
  }

  /** As readers see it. */
  find(key: string): StoredThing | undefined {
    const found = this.objects.get(key);
    if (found && found.hiddenReads > 0) {
      found.hiddenReads -= 1;
      return undefined;
    }
    return found;
  }

  list(query: URLSearchParams): XmlAnswer {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('start-after') ?? '';
    const limit = Number(query.get('max-keys') ?? '1000');
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after && this.isListed(key)).sort();
    const page = keys.slice(0, limit);
    const contents = page.map((key) => this.listed(key)).join('');
    return {
      status: 200,
      xml: `<?xml version="1.0"?><ListBucketResult><IsTruncated>${keys.length > limit}</IsTruncated>${contents}</ListBucketResult>`,
    };
  }

  deleteMany(body: string): XmlAnswer {
    for (const [, key] of body.matchAll(/<Key>([^<]*)<\/Key>/g)) this.objects.delete(key ?? '');
    return { status: 200, xml: '<?xml version="1.0"?><DeleteResult></DeleteResult>' };
  }

  copy(source: string, key: string): XmlAnswer {
    const from = this.objects.get(source);
    if (!from) return failure(404, 'NoSuchKey');
    const etag = this.put(key, from.body);
    return { status: 200, xml: `<?xml version="1.0"?><CopyObjectResult><ETag>${etag}</ETag></CopyObjectResult>` };
  }

  createUpload(key: string): XmlAnswer {
    this.serial += 1;
    const id = `upload-${this.serial}`;
    this.uploads.set(id, { key, parts: new Map() });
    const xml = `<?xml version="1.0"?><InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`;
    return { status: 200, xml };
  }

  uploadPart(id: string, number: number, body: Buffer): XmlAnswer {
    const upload = this.uploads.get(id);
    if (!upload) return failure(404, 'NoSuchUpload');
    upload.parts.set(number, body);
    return { status: 200, headers: { etag: quoted(body) } };
  }

  copyPart(id: string, number: number, source: string, range: string | undefined): XmlAnswer {
    const from = this.objects.get(source);
    if (!from) return failure(404, 'NoSuchKey');
    const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? '');
    const body = match ? from.body.subarray(Number(match[1]), Number(match[2]) + 1) : from.body;
    const answer = this.uploadPart(id, number, body);
    if (answer.status !== 200) return answer;
    return { status: 200, xml: `<?xml version="1.0"?><CopyPartResult><ETag>${quoted(body)}</ETag></CopyPartResult>` };
  }

  complete(id: string, body: string): XmlAnswer {
    const upload = this.uploads.get(id);
    if (!upload) return failure(404, 'NoSuchUpload');
    const chosen: Buffer[] = [];
    for (const [, part] of body.matchAll(/<Part>(.*?)<\/Part>/gs)) {
      const number = Number(/<PartNumber>(\d+)</.exec(part ?? '')?.[1]);
      const etag = /<ETag>(.*?)</.exec(part ?? '')?.[1]?.replaceAll('&quot;', '"');
      const bytes = upload.parts.get(number);
      if (!bytes || quoted(bytes) !== etag) return failure(400, 'InvalidPart');
      chosen.push(bytes);
    }
    if (chosen.slice(0, -1).some((part) => part.byteLength < 5 * 1_024 * 1_024)) return failure(400, 'EntityTooSmall');
    this.uploads.delete(id);
    const etag = this.put(upload.key, Buffer.concat(chosen));
    const xml = `<?xml version="1.0"?><CompleteMultipartUploadResult><ETag>${etag}</ETag></CompleteMultipartUploadResult>`;
    return { status: 200, xml };
  }

  abort(id: string): XmlAnswer {
    return this.uploads.delete(id) ? { status: 204 } : failure(404, 'NoSuchUpload');
  }

  listUploads(prefix: string): XmlAnswer {
    const open = [...this.uploads].filter(([, { key }]) => key.startsWith(prefix));
    const items = open.map(([id, { key }]) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`).join('');
    return { status: 200, xml: `<?xml version="1.0"?><ListMultipartUploadsResult>${items}</ListMultipartUploadsResult>` };
  }

  listParts(id: string): XmlAnswer {
    if (!this.uploads.has(id)) return failure(404, 'NoSuchUpload');
    return { status: 200, xml: '<?xml version="1.0"?><ListPartsResult></ListPartsResult>' };
  }

  private isListed(key: string): boolean {
    const found = this.objects.get(key);
    if (!found || found.hiddenListings === 0) return found !== undefined;
    found.hiddenListings -= 1;
    return false;
  }

  private listed(key: string): string {
    const found = this.objects.get(key);
    const time = new Date(found?.modified ?? 0).toISOString();
    const shown = key.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
    return `<Contents><Key>${shown}</Key><Size>${found?.body.byteLength}</Size><LastModified>${time}</LastModified></Contents>`;
  }
}
