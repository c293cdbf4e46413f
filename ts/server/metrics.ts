import type { RequestRecord } from './log.js';

/** Seconds at or below which a request counts into a bucket. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;
/** Different label sets that are told apart; more are counted together as `other`. */
const MAX_SERIES = 2_000;
const METHODS = new Set(['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS']);

/** Counters of one process, in a form that processes can send each other. */
export interface MetricsSnapshot {
  /** By `repository route method status`, tab-separated. */
  readonly requests: readonly (readonly [string, number])[];
  /** By repository: a count for each bucket and one beyond, then the sum of seconds. */
  readonly seconds: readonly (readonly [string, readonly number[]])[];
  readonly bytesSent: number;
  readonly inFlight: number;
  readonly faults: number;
  readonly processes: number;
  readonly residentBytes: number;
  readonly cpuSeconds: number;
}

/** Requests with one set of labels. */
interface Series {
  readonly method: string;
  readonly status: number;
  count: number;
}

/** What one repository was asked. */
class Asked {
  /** A count for each bucket and one beyond, then the sum of seconds. */
  readonly seconds = new Array<number>(BUCKETS.length + 2).fill(0);
  /** A route is answered in few ways: looking through them takes less than to put a text together. */
  readonly routes = new Map<string, Series[]>();
}

/** What happened so far in this process. Labels are bounded: repositories and routes come from the configuration, never from a request. */
export class Metrics {
  private readonly asked = new Map<string, Asked>();
  private readonly others: Series = { method: 'other', status: 0, count: 0 };
  private series = 0;
  private bytesSent = 0;
  private faults = 0;
  private inFlight = 0;

  began(): void {
    this.inFlight++;
  }

  ended({ method, status, bytes, milliseconds, repository = '', route = '' }: RequestRecord): void {
    this.inFlight--;
    this.bytesSent += bytes;
    let asked = this.asked.get(repository);
    if (!asked) {
      asked = new Asked();
      this.asked.set(repository, asked);
    }
    this.seriesOf(asked, route, METHODS.has(method) ? method : 'other', status).count++;
    const seconds = milliseconds / 1_000;
    let bucket = 0;
    while (bucket < BUCKETS.length && seconds > (BUCKETS[bucket] ?? 0)) bucket++;
    add(asked.seconds, bucket, 1);
    add(asked.seconds, BUCKETS.length + 1, seconds);
  }

  private seriesOf({ routes }: Asked, route: string, method: string, status: number): Series {
    const known = routes.get(route);
    for (const one of known ?? []) if (one.status === status && one.method === method) return one;
    if (this.series === MAX_SERIES) return this.others;
    this.series++;
    const made = { method, status, count: 0 };
    if (known) known.push(made);
    else routes.set(route, [made]);
    return made;
  }

  private *requests(): Generator<readonly [string, number]> {
    for (const [repository, { routes }] of this.asked)
      for (const [route, list] of routes)
        for (const { method, status, count } of list) yield [[repository, route, method, String(status)].join('\t'), count];
    if (this.others.count > 0) yield ['other\tother\tother\tother', this.others.count];
  }

  fault(): void {
    this.faults++;
  }

  snapshot(): MetricsSnapshot {
    const { user, system } = process.cpuUsage();
    return {
      requests: [...this.requests()],
      seconds: [...this.asked].map(([repository, { seconds }]) => [repository, seconds]),
      bytesSent: this.bytesSent,
      inFlight: this.inFlight,
      faults: this.faults,
      processes: 1,
      residentBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
    };
  }
}

function add(numbers: number[], at: number, more: number): void {
  numbers[at] = (numbers[at] ?? 0) + more;
}

const label = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`;

function summed(snapshots: readonly MetricsSnapshot[], of: (one: MetricsSnapshot) => number): number {
  return snapshots.reduce((sum, one) => sum + of(one), 0);
}

/** The sum of what several processes counted, as Prometheus text (version 0.0.4). */
export function prometheusText(snapshots: readonly MetricsSnapshot[]): string {
  const lines: string[] = [];
  const family = (name: string, type: string, help: string, samples: Iterable<string>): void => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples);
  };
  const single = (name: string, type: string, help: string, of: (one: MetricsSnapshot) => number): void =>
    family(name, type, help, [`${name} ${summed(snapshots, of)}`]);
  family('entrepot_requests_total', 'counter', 'Requests answered.', requestSamples(snapshots));
  family('entrepot_request_seconds', 'histogram', 'Time from a request to the end of its answer.', secondsSamples(snapshots));
  single('entrepot_sent_bytes_total', 'counter', 'Body bytes sent.', (one) => one.bytesSent);
  single('entrepot_requests_in_flight', 'gauge', 'Requests under way.', (one) => one.inFlight);
  single('entrepot_faults_total', 'counter', 'Internal faults; the log says what they were.', (one) => one.faults);
  single('entrepot_processes', 'gauge', 'Processes that serve.', (one) => one.processes);
  single('process_resident_memory_bytes', 'gauge', 'Memory, all processes.', (one) => one.residentBytes);
  single('process_cpu_seconds_total', 'counter', 'Processor time, all processes.', (one) => one.cpuSeconds);
  return `${lines.join('\n')}\n`;
}

function* requestSamples(snapshots: readonly MetricsSnapshot[]): Generator<string> {
  const totals = new Map<string, number>();
  for (const { requests } of snapshots) for (const [key, count] of requests) totals.set(key, (totals.get(key) ?? 0) + count);
  for (const [key, count] of totals) {
    const [repository = '', route = '', method = '', status = ''] = key.split('\t');
    const labels = `repository=${label(repository)},route=${label(route)},method=${label(method)},status=${label(status)}`;
    yield `entrepot_requests_total{${labels}} ${count}`;
  }
}

function* secondsSamples(snapshots: readonly MetricsSnapshot[]): Generator<string> {
  const totals = new Map<string, number[]>();
  for (const { seconds } of snapshots) {
    for (const [repository, counts] of seconds) {
      const total = totals.get(repository) ?? [];
      for (const [at, count] of counts.entries()) add(total, at, count);
      totals.set(repository, total);
    }
  }
  for (const [repository, counts] of totals) {
    const name = `repository=${label(repository)}`;
    let below = 0;
    for (const [at, limit] of [...BUCKETS, '+Inf'].entries()) {
      below += counts[at] ?? 0;
      yield `entrepot_request_seconds_bucket{${name},le="${limit}"} ${below}`;
    }
    yield `entrepot_request_seconds_sum{${name}} ${counts[BUCKETS.length + 1] ?? 0}`;
    yield `entrepot_request_seconds_count{${name}} ${below}`;
  }
}
