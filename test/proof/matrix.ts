import { packageKey } from '../../ts/storage/key.js';
import type { Cast } from './cast.js';
import type { Answer } from './house.js';
import { NEEDS, type Need, type Standing, type Verdict, verdict, type Who } from './oracle.js';
import { formsOf, SPELLINGS, type Spelling, USES, type Use } from './requests.js';

const STANDINGS: readonly Standing[] = ['absent', 'public', 'restricted', 'deleted'];

/** What the matrix itself wants to know of a caller. */
export interface Whoever {
  readonly credentials: 'none' | 'bad' | 'good';
  /** What the token opens of the package in question: all of them, or those. */
  readonly reads?: boolean | readonly Standing[];
  readonly writes?: boolean;
  readonly creates?: boolean;
  readonly admin?: boolean;
}

export interface Asking<W extends Whoever> {
  readonly name: string;
  readonly who: W;
  readonly headers: Readonly<Record<string, string>>;
}

/** What each use asks of its caller, and what follows for one. */
export interface Oracle<W extends Whoever, N extends string> {
  readonly needs: Readonly<Record<string, N>>;
  verdict(need: N, who: W, standing: Standing, open: boolean): Verdict;
}

export interface MatrixOptions<W extends Whoever, N extends string> {
  readonly uses: readonly Use[];
  readonly oracle: Oracle<W, N>;
  readonly spellings?: readonly Spelling[];
}

/** The npm table's own. */
export const NPM: { readonly uses: readonly Use[]; readonly oracle: Oracle<Who, Need> } = {
  uses: USES,
  oracle: { needs: NEEDS, verdict },
};

export type Stage = Pick<Cast, 'house' | 'packages' | 'fresh' | 'revision'>;

const NONE = { decisions: 0, yes: 0, no: 0, missing: 0, likeAbsent: 0 };
export const counts = { ...NONE };

/** What a caller can see of an answer, with the package's name left out. */
const seen = ({ status, headers, text }: Answer, name: string): string => {
  const { date: _, ...others } = headers;
  const bare = name.replace(/^.*\//, '');
  return JSON.stringify([status, others, text]).replaceAll(encodeURIComponent(bare), '***').replaceAll(bare, '***');
};

const WRITES = new Set(['write', 'delete', 'copy']);
/** Of a request that was refused, only what the registry does on its own may have reached the store. */
const ownWork = (key: string): boolean => /^(?:derived|feed|pending|log\/~users)\//.test(key);

/** The token opens nothing of the package in question. */
const isBlind = ({ reads, writes, creates, admin }: Whoever): boolean => !reads && !writes && !creates && !admin;

/** Asks everything as one caller, and holds every answer against the oracle. */
export class Matrix<W extends Whoever, N extends string> {
  readonly wrong: string[] = [];
  private readonly cast: Stage;
  private readonly open: boolean;
  private readonly revisions = new Map<string, string>();
  /** Packages that nobody has managed to change yet. */
  private readonly spare = new Map<Standing, string>();
  private readonly uses: readonly Use[];
  private readonly oracle: Oracle<W, N>;
  private readonly spellings: readonly Spelling[];

  constructor(cast: Stage, open: boolean, { uses, oracle, spellings = SPELLINGS }: MatrixOptions<W, N>) {
    this.cast = cast;
    this.open = open;
    this.uses = uses;
    this.oracle = oracle;
    this.spellings = spellings;
  }

  async all(character: Asking<W>): Promise<void> {
    for (const use of this.uses) {
      for (const standing of use.about === 'package' ? STANDINGS : (['public'] as const))
        for (const spelling of this.spellings) await this.forms(character, use, standing, spelling);
    }
  }

  private async forms(character: Asking<W>, use: Use, standing: Standing, spelling: Spelling): Promise<void> {
    const need = this.oracle.needs[use.id];
    if (need === undefined) throw new Error(`the oracle does not know ${use.id}`);
    const expected = this.oracle.verdict(need, character.who, standing, this.open);
    for (const form of formsOf(use).slice(0, spelling.loose ? 2 : 4)) {
      counts.decisions += 1;
      const changes = use.method !== 'GET' && use.about === 'package';
      const own = changes && expected === 'yes';
      const name = own ? (this.spare.get(standing) ?? (await this.cast.fresh(standing))) : this.cast.packages[standing];
      const { calls } = this.cast.house;
      calls.forget();
      const answer = await this.ask(character, use, spelling, form, name);
      const touched = calls.all.slice();
      if (own && answer.status >= 300) this.spare.set(standing, name);
      else if (own) this.spare.delete(standing);
      const where = `${character.name}: ${use.id}, ${form.title}, ${spelling.title}, ${standing}`;
      const problem = judge(use, spelling, expected, answer);
      if (problem) this.wrong.push(`${where}: ${problem}`);
      if (expected === 'yes') counts.yes += 1;
      else if (expected === 'missing') counts.missing += 1;
      else counts.no += 1;
      if (expected === 'yes') continue;
      const written = touched.filter(({ method, key }) => WRITES.has(method) && !ownWork(key));
      if (written.length > 0) this.wrong.push(`${where}: wrote ${written[0]?.key}`);
      await this.mustLookAbsent(character, use, spelling, form, standing, expected, answer, where);
      const stranger = isBlind(character.who) && (character.who.credentials !== 'none' || !this.open);
      const reached = touched.find(({ key }) => key.includes(packageKey(name)));
      if (stranger && reached) this.wrong.push(`${where}: reached ${reached.key}`);
    }
  }

  private async ask(
    character: Asking<W>,
    use: Use,
    spelling: Spelling,
    form: ReturnType<typeof formsOf>[number],
    name: string,
  ): Promise<Answer> {
    const rev = use.method === 'GET' || use.about === 'registry' ? '' : await this.revision(name);
    const body = use.body?.(name, rev);
    return this.cast.house.ask(form.method, spelling.spell(use, name, rev), {
      headers: { ...character.headers, ...form.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
    });
  }

  /** Z9: who may not read it cannot tell it from one that never was. */
  private async mustLookAbsent(
    character: Asking<W>,
    use: Use,
    spelling: Spelling,
    form: ReturnType<typeof formsOf>[number],
    standing: Standing,
    expected: Verdict,
    answer: Answer,
    where: string,
  ): Promise<void> {
    const { who } = character;
    const blind = isBlind(who);
    // who reads one and not the other hears of each what is so
    if (Array.isArray(who.reads)) return;
    const reading = use.method === 'GET';
    if (standing === 'absent' || use.about === 'registry' || expected === 'missing' || !(blind || reading)) return;
    counts.likeAbsent += 1;
    const absent = await this.ask(character, use, spelling, form, this.cast.packages.absent);
    const [here, there] = [seen(answer, this.cast.packages[standing]), seen(absent, this.cast.packages.absent)];
    if (here !== there) this.wrong.push(`${where}: not like absent: ${here} ${there}`);
  }

  /** Of packages that stay as they are it is asked for once. */
  private async revision(name: string): Promise<string> {
    const known = this.revisions.get(name) ?? (await this.cast.revision(name));
    this.revisions.set(name, known);
    this.cast.house.calls.forget();
    return known;
  }
}

function judge(use: Use, spelling: Spelling, expected: Verdict, { status, text }: Answer): string | undefined {
  if (status >= 500) return `${status} ${text}`;
  if (spelling.loose && [400, 404, 405].includes(status)) return undefined;
  const allowed =
    expected === 'yes'
      ? [...use.ok, ...(use.method === 'GET' && use.ok.includes(200) ? [206, 304] : [])]
      : expected === 'missing'
        ? [404]
        : expected;
  return allowed.includes(status) ? undefined : `${status} and not ${allowed.join(' or ')}: ${text.slice(0, 120)}`;
}

/** One line for the log of a run, of what has come since `before`. */
export const summary = (before = NONE): string => {
  const [decisions, yes, no, missing, likeAbsent] = (['decisions', 'yes', 'no', 'missing', 'likeAbsent'] as const).map(
    (what) => counts[what] - before[what],
  );
  return `${decisions} decisions: ${yes} allowed, ${no} refused, ${missing} about nothing; ${likeAbsent} compared with an absent package`;
};
