import { readFileSync } from 'node:fs';

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** Runs every task once per round, in turn, so that all meet the same machine; answers the median of each task's results, member by member. */
export async function interleaved(rounds, tasks) {
  const results = new Map(tasks.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    const turn = round % 2 ? [...tasks].reverse() : tasks;
    for (const [name, task] of turn) results.get(name).push(await task(round));
  }
  return Object.fromEntries([...results].map(([name, all]) => [name, mediansOf(all)]));
}

function mediansOf(all) {
  if (typeof all[0] === 'number') return median(all);
  const names = Object.keys(all[0]);
  return Object.fromEntries(names.map((name) => [name, median(all.map((one) => one[name]))]));
}

/** User and system CPU time of a process and its children that have not ended, in milliseconds; all threads. */
export function cpuOf(pids) {
  let ticks = 0;
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * 10;
}

/** Resident memory in MiB. */
export function rssOf(pids) {
  let kib = 0;
  for (const pid of pids) kib += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  return kib / 1024;
}

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const digits = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

/** Collects rows and prints them as one Markdown table. */
export class Table {
  rows = [];

  /** `goal`: `['>=', 4]` or `['<=', 30]` or undefined; `unit`: behind the figure. */
  add(what, value, { goal, unit = '', detail = '' } = {}) {
    const met = goal === undefined ? '' : (goal[0] === '>=' ? value >= goal[1] : value <= goal[1]) ? 'met' : 'MISSED';
    const wanted = goal === undefined ? '' : `${goal[0] === '>=' ? '≥' : '≤'} ${goal[1]}${unit}`;
    this.push(what, `${digits(value)}${unit}`, wanted, met, detail);
  }

  skip(what, why) {
    this.push(what, '–', '', 'skipped', why);
  }

  push(...cells) {
    this.rows.push(cells);
    process.stderr.write(`${cells.filter(Boolean).join(' | ')}\n`);
  }

  print() {
    const lines = [['what', 'measured', 'goal', '', 'behind it'], ['---', '---:', '---:', '---', '---'], ...this.rows];
    process.stdout.write(`${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`);
  }
}

export { digits };
