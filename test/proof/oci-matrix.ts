import { packageKey } from '../../ts/storage/key.js';
import type { Answer } from './house.js';
import type { Character, OciCast } from './oci-cast.js';
import { NEEDS, type Standing, type Verdict, verdict } from './oci-oracle.js';
import { FORMS, SPELLINGS, type Spelling, USES, type Use } from './oci-uses.js';

const STANDINGS: readonly Standing[] = ['absent', 'public', 'restricted', 'deleted'];
const WRITES = new Set(['write', 'delete', 'copy']);
/** Of a request that was refused, only what the registry does on its own may have reached the store. */
const ownWork = (key: string): boolean => /^(?:derived|feed|pending|log\/~users)\//.test(key);

export const counts = { decisions: 0, yes: 0, no: 0, missing: 0, likeAbsent: 0 };

/** What a caller can see of an answer, with the repository's name left out. */
const seen = ({ status, headers, text }: Answer, name: string): string => {
  const { date: _, ...others } = headers;
  const bare = name.replace(/^.*\//, '');
  return JSON.stringify([status, others, text]).replaceAll(bare, '***');
};

type Stage = Pick<OciCast, 'house' | 'repositories' | 'fresh' | 'upload'>;

/** Spellings of each question: all, the plain one, or that and another one in turn. */
export type Extent = 'all' | 'two' | 'plain';

/** Asks everything as one caller, and holds every answer against the oracle. */
export class OciMatrix {
  readonly wrong: string[] = [];
  private readonly cast: Stage;
  private readonly open: boolean;
  private readonly extent: Extent;
  private readonly uploads = new Map<string, string>();
  private turn = 0;

  constructor(cast: Stage, open: boolean, extent: Extent) {
    this.cast = cast;
    this.open = open;
    this.extent = extent;
  }

  async all(character: Character, uses: readonly Use[] = USES): Promise<void> {
    for (const use of uses)
      for (const standing of use.about === 'package' ? STANDINGS : (['public'] as const))
        for (const spelling of this.spellings()) await this.forms(character, use, standing, spelling);
  }

  private spellings(): readonly Spelling[] {
    if (this.extent === 'all') return SPELLINGS;
    if (this.extent === 'plain') return SPELLINGS.slice(0, 1);
    this.turn += 1;
    const other = SPELLINGS[1 + (this.turn % (SPELLINGS.length - 1))];
    return [SPELLINGS[0], other].filter((one) => one !== undefined);
  }

  private async forms(character: Character, use: Use, standing: Standing, spelling: Spelling): Promise<void> {
    const need = NEEDS[use.id];
    if (need === undefined) throw new Error(`the oracle does not know ${use.id}`);
    const expected = verdict(need, character.who, standing, this.open);
    const reading = FORMS.filter(({ method }) => method === 'GET' || !use.once);
    const all = use.method === 'GET' ? reading : [{ title: use.method, method: use.method, headers: {} }];
    for (const form of all.slice(0, spelling.loose ? 2 : 4)) {
      counts.decisions += 1;
      if (expected === 'yes') counts.yes += 1;
      else if (expected === 'missing') counts.missing += 1;
      else counts.no += 1;
      const own = (use.method !== 'GET' || use.path.includes('<>')) && use.about === 'package' && expected === 'yes';
      const name = own ? await this.cast.fresh(standing) : this.cast.repositories[standing];
      const id = use.path.includes('<>') ? await this.uploadOf(name, own) : '';
      const { calls } = this.cast.house;
      calls.forget();
      const answer = await this.ask(character, use, spelling, form, name, id);
      const touched = calls.all.slice();
      const where = `${character.name}: ${use.id}, ${form.title}, ${spelling.title}, ${standing}`;
      const problem = judge(use, spelling, expected, answer);
      if (problem) this.wrong.push(`${where}: ${problem}`);
      if (expected === 'yes') continue;
      // what came with a request that the log refused is taken away again
      const left = new Set(touched.flatMap(({ method, key }) => (WRITES.has(method) && !ownWork(key) ? [key] : [])));
      for (const { method, key } of touched) if (method === 'delete' && key.startsWith('objects/')) left.delete(key);
      const [written] = left;
      if (written !== undefined) this.wrong.push(`${where}: wrote ${written}`);
      const { who } = character;
      const stranger = who.credentials !== 'none' && !who.reads && !who.creates && !who.owner;
      const reached = stranger && touched.find(({ key }) => key.includes(packageKey(name)));
      if (reached) this.wrong.push(`${where}: reached ${reached.key}`);
      await this.mustLookAbsent(character, use, spelling, form, standing, expected, answer, where);
    }
  }

  private ask(
    { headers }: Character,
    use: Use,
    spelling: Spelling,
    form: { readonly method: string; readonly headers: Readonly<Record<string, string>> },
    name: string,
    id: string,
  ): Promise<Answer> {
    const path = spelling.spell(use.path.replace('{}', name).replace('<>', id));
    return this.cast.house.ask(form.method, path, {
      headers: {
        ...headers,
        ...(use.body ? { 'content-length': String(use.body.length) } : {}),
        ...use.headers,
        ...form.headers,
      },
      body: use.body,
    });
  }

  /** Z9, O5: who may not read it cannot tell it from one that never was. */
  private async mustLookAbsent(
    character: Character,
    use: Use,
    spelling: Spelling,
    form: { readonly method: string; readonly headers: Readonly<Record<string, string>> },
    standing: Standing,
    expected: Verdict,
    answer: Answer,
    where: string,
  ): Promise<void> {
    const { reads, creates, admin, narrow } = character.who;
    const blind = !reads && !creates && !admin && !narrow;
    if (standing === 'absent' || use.about === 'registry' || expected === 'missing' || !(blind || NEEDS[use.id] === 'to read'))
      return;
    if (Array.isArray(reads)) return;
    counts.likeAbsent += 1;
    const absent = await this.ask(character, use, spelling, form, this.cast.repositories.absent, 'a'.repeat(26));
    const [here, there] = [seen(answer, this.cast.repositories[standing]), seen(absent, this.cast.repositories.absent)];
    if (here !== there) this.wrong.push(`${where}: not like absent: ${here} ${there}`);
  }

  /** Of repositories that stay as they are, one upload is enough. */
  private async uploadOf(name: string, fresh: boolean): Promise<string> {
    const known = fresh ? undefined : this.uploads.get(name);
    const id = known ?? (name === this.cast.repositories.absent ? 'a'.repeat(26) : await this.cast.upload(name));
    if (!fresh) this.uploads.set(name, id);
    return id;
  }
}

function judge(use: Use, spelling: Spelling, expected: Verdict, { status, text }: Answer): string | undefined {
  if (status >= 500) return `${status} ${text}`;
  if (spelling.loose && [400, 404, 405].includes(status)) return undefined;
  const seenOk = use.method === 'GET' && use.ok.includes(200) ? [206, 304] : [];
  const allowed =
    expected === 'yes' ? [...use.ok, ...seenOk] : expected === 'missing' ? [...(use.missing ?? [404]), ...seenOk] : expected;
  return allowed.includes(status) ? undefined : `${status} and not ${allowed.join(' or ')}: ${text.slice(0, 120)}`;
}

/** One line for the log of a run. */
export const summary = (): string => {
  const { decisions, yes, no, missing, likeAbsent } = counts;
  return `${decisions} decisions: ${yes} allowed, ${no} refused, ${missing} about nothing; ${likeAbsent} compared with an absent repository`;
};
