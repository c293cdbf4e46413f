import { describe, expect, it } from 'vitest';
import { Metrics, prometheusText } from '../../ts/server/metrics.js';

const record = (more: object = {}) => ({
  method: 'GET',
  path: '/',
  status: 200,
  bytes: 10,
  milliseconds: 30,
  user: undefined,
  repository: 'npm',
  route: 'packument',
  peer: undefined,
  cut: false,
  ...more,
});

describe('metrics', () => {
  it('sum what several processes counted', () => {
    const [one, two] = [new Metrics(), new Metrics()];
    for (const metrics of [one, two]) {
      metrics.began();
      metrics.ended(record());
    }
    two.began();
    two.ended(record({ status: 404, milliseconds: 60_000 }));
    two.began();
    two.fault();
    const text = prometheusText([one.snapshot(), JSON.parse(JSON.stringify(two.snapshot()))]);
    expect(text).toContain('entrepot_requests_total{repository="npm",route="packument",method="GET",status="200"} 2\n');
    expect(text).toContain('entrepot_requests_total{repository="npm",route="packument",method="GET",status="404"} 1\n');
    expect(text).toContain('entrepot_request_seconds_bucket{repository="npm",le="0.025"} 0\n');
    expect(text).toContain('entrepot_request_seconds_bucket{repository="npm",le="0.05"} 2\n');
    expect(text).toContain('entrepot_request_seconds_bucket{repository="npm",le="30"} 2\n');
    expect(text).toContain('entrepot_request_seconds_bucket{repository="npm",le="+Inf"} 3\n');
    expect(text).toContain('entrepot_request_seconds_count{repository="npm"} 3\n');
    expect(text).toMatch(/entrepot_request_seconds_sum\{repository="npm"\} 60\.06/);
    expect(text).toContain('entrepot_sent_bytes_total 30\n');
    expect(text).toContain('entrepot_requests_in_flight 1\n');
    expect(text).toContain('entrepot_faults_total 1\n');
    expect(text).toContain('entrepot_processes 2\n');
  });

  it('never grow without bound, and quote what they show', () => {
    const metrics = new Metrics();
    for (let at = 0; at < 5_000; at++) {
      metrics.began();
      metrics.ended(record({ route: `r${at}`, method: `M${at}` }));
    }
    const { requests } = metrics.snapshot();
    expect(requests.length).toBeLessThanOrEqual(2_001);
    expect(requests.reduce((sum, [, count]) => sum + count, 0)).toBe(5_000);
    expect(requests.every(([key]) => key.includes('\tother\t'))).toBe(true);
    metrics.ended(record({ repository: 'a"b\\c' }));
    expect(prometheusText([metrics.snapshot()])).toContain('repository="a\\"b\\\\c"');
  });
});
