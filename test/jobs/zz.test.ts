import { it } from 'vitest';
import { load, problems } from './loading.js';
import { parseText } from '../../src/jobs/document.js';
import { Problems } from '../../src/jobs/problems.js';
import { appendFileSync } from "node:fs"; it("t", { timeout: 60000 }, () => {
  const job = (i: number) => `  j${i}:\n    operation: mirror\n    from: ./a${i}\n    to: d:b\n    schedule: "0 2 * * *"\n    exclude: ["*.tmp", "cache/"]\n    delete: { max: 50%, trash: t, keep: 30d }\n`;
  const cases: Record<string, string> = {
    unknown: Array.from({ length: 14_000 }, (_, i) => `k${i}: 1`).join('\n'),
    unknown30: Array.from({ length: 30_000 }, (_, i) => `k${i}: 1`).join('\n'),
    equal: 'jobs: {}\n'.repeat(14_000), errs: 'a: @\n'.repeat(14_000), commas: `[${','.repeat(99_000)}]`, quotes: '"'.repeat(190_000), esc: '"' + '\\q'.repeat(5e5) + '"', mis: '}\n'.repeat(49_000), colons: ': '.repeat(49000), bangs: '! '.repeat(49000), lines: '\n'.repeat(99000),anchors:'&a '.repeat(4.9e4),
    jobs: 'remotes: { d: { host: h } }\njobs:\n' + Array.from({ length: 1500 }, (_, i) => job(i)).join(''),
    badjobs: 'remotes: { d: { host: h } }\njobs:\n' + Array.from({ length: 1500 }, (_, i) => job(i).replace('mirror','x')).join(''),
    longname: `jobs: { ${'a'.repeat(9e5)}: {} }`, longdollar: `queue: "${'${'.repeat(4e5)}"`, longdoll2: `queue: "${'$${'.repeat(3e5)}"`, longvars: `queue: "${'${HOST}'.repeat(1.4e5)}"`, dur: `defaults: { timeout: ${'1s'.repeat(4e5)}x }`, slash: `defaults: { exclude: "${'/'.repeat(1e6)}x" }`, spaces: `defaults: { exclude: "${'\\x20'.repeat(2e5)}x" }`, sched: `defaults: { schedule: "${'1,'.repeat(4e5)} 2 * * *" }`, q: `queue: "redis://${'a:'.repeat(4e5)}"`, dots: `remotes: {d: {host: h}}\njobs: {x: {operation: push, from: ./a, to: "d:${'a/../'.repeat(1.5e5)}"}}`, jumps: 'remotes:\n'+Array.from({length:6000},(_,i)=>`  a${i}: {host: h, jump: a${i+1}}\n`).join(''),
    deepto: 'remotes: {d: {host: h}}\njobs:\n'+Array.from({length:10},(_,i)=>`  x${i}: {operation: mirror, from: ./a, to: "d:${'a/'.repeat(4e4)}"}\n`).join(''),
  };
  for (const [k, t] of Object.entries(cases)) {
    const a = performance.now(); parseText(t, new Problems()); const b = performance.now(); const p = problems(t); console.log(k, t.length, Math.round(b - a), Math.round(performance.now() - b), p.length, p[0]?.slice(0, 100));
  }
});
