/**
 * `npm run bench`: the figures to watch, as one table; none of them passes or fails. `npm run bench -- extension`
 * leaves out the scaffolded service, which takes longest and needs Go; `--starts=4` starts fewer extension hosts.
 */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { npm } from '../../scripts/lib/process.ts';
import { root, vsix } from '../../scripts/lib/project.ts';
import { newest } from '../../scripts/lib/vscode-server.ts';
import { runInHost } from '../host/run.ts';
import type { CompletionSample } from './completion.ts';
import { measureService, RATE } from './scaffold/service.ts';
import { measureSource } from './source.ts';
import type { Sample, Spent } from './suite.ts';

type Row = readonly [name: string, value: string];

const starts = Number(
  process.argv.find((argument) => argument.startsWith('--starts='))?.slice('--starts='.length) ?? 10,
);

console.log('building and packaging');
await npm(['run', 'package'], { cwd: root });
const samples: Sample[] = [];
for (let number = 1; number <= starts; number++) {
  console.log(`extension host ${number} of ${starts}`);
  // A Go workspace and the catalogue model would have the extension activated before it can be timed.
  const settings = { 'goArchitect.catalogueModel.enabled': false, 'bench.emptyFirst': number % 2 === 0 };
  const run = { kind: 'node', version: newest, entry: 'bench/suite.ts', emptyFolder: true, settings } as const;
  samples.push(...(await runInHost<Sample>(run, console.log)));
}

const rows: Row[] = [
  ['main bundle (dist/extension.js)', kilobytes('dist/extension.js')],
  ['browser bundle (dist/web/extension.js)', kilobytes('dist/web/extension.js')],
  ['VSIX', kilobytes(vsix)],
  ['files in the VSIX', String(entriesOf(vsix))],
  ...spent(`activate(), median of ${samples.length} (fastest)`, ({ activate }) => activate),
  ...spent('  an empty extension in the same host', ({ activateEmpty }) => activateEmpty),
  ...spent('what chat knows, read for the first question', ({ knowledge }) => knowledge),
  ['question to first model call', milliseconds(({ firstCall }) => firstCall)],
  ['plan', milliseconds(({ plan }) => plan)],
  ['write to the local disk', milliseconds(({ write }) => write)],
  [
    '  beside a recursive copy of the same files',
    `${median(samples.map(({ write, copy }) => write / copy)).toFixed(2)} of it`,
  ],
];
rows.push(...(await completionRows()));
if (!process.argv.includes('extension')) {
  rows.push(...sourceRows(), ...(await serviceRows()));
}
const width = Math.max(...rows.map(([name]) => name.length));
console.log();
for (const [name, value] of rows) {
  console.log(`${name.padEnd(width)}  ${value.padStart(18)}`);
}

async function completionRows(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kind of ['node', 'web'] as const) {
    console.log(`completion, ${kind} host`);
    const run = { kind, version: newest, entry: 'bench/completion.ts', emptyFolder: true } as const;
    for (const { first, again, elsewhere } of await runInHost<CompletionSample>(run, console.log)) {
      rows.push(
        [`completion, ${kind} host: the first list`, `${first.toFixed(0)} ms`],
        ['  the next, in a package of 31 files', `${again.toFixed(0)} ms`],
        ['  in a function, where nothing is offered', `${elsewhere.toFixed(0)} ms`],
      );
    }
  }
  return rows;
}

function sourceRows(): Row[] {
  console.log('reading Go');
  const { files, ours, parser, cursors, damaged } = measureSource();
  return [
    ['declarations of 1,000 Go files', `${((ours / files) * 1000).toFixed(0)} ms`],
    ['  beside go/parser', ratio(ours, parser)],
    [`files damaged by ${cursors} insertions`, String(damaged)],
  ];
}

async function serviceRows(): Promise<Row[]> {
  console.log('the scaffolded service');
  const { files, bytes, firstStart, nextStart, load } = await measureService(console.log);
  const [ours, bare] = load;
  return [
    ['scaffold with everything', `${files} files, ${(bytes / 1000).toFixed(0)} kB`],
    ['go run to the first answer, nothing compiled', seconds(firstStart[0])],
    ['  beside a bare net/http handler', ratio(...firstStart)],
    ['go run to the first answer, compiled before', seconds(nextStart[0])],
    ['  beside a bare net/http handler', ratio(...nextStart)],
    ['GET one user, in memory, logged, 64 connections', `${ours.perSecond.toFixed(0)} req/s`],
    ['  beside a bare net/http handler', ratio(ours.perSecond, bare.perSecond)],
    [`the same at ${RATE} req/s, 99th percentile`, `${ours.p99.toFixed(1)} ms`],
    ['  beside a bare net/http handler', ratio(ours.p99, bare.p99)],
  ];
}

function kilobytes(file: string): string {
  return `${(statSync(path.resolve(root, file)).size / 1000).toFixed(1)} kB`;
}

/** The time on the clock, and what of it was computing. */
function spent(name: string, of: (sample: Sample) => Spent): Row[] {
  return [
    [name, milliseconds((sample) => of(sample).clock)],
    [`${/^ */.exec(name)?.[0]}  of it computing`, milliseconds((sample) => of(sample).processor)],
  ];
}

/** The median, and the fastest, which a busy machine spoils less. */
function milliseconds(of: (sample: Sample) => number): string {
  const values = samples.map(of);
  return `${median(values).toFixed(1)} ms (${Math.min(...values).toFixed(1)})`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function ratio(value: number, peer: number): string {
  return `${(value / peer).toFixed(2)} of it`;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [low = Number.NaN, high = Number.NaN] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return (low + high) / 2;
}

/** The number of files in a zip archive, from its end record. */
function entriesOf(archive: string): number {
  const bytes = readFileSync(archive);
  return bytes.readUInt16LE(bytes.lastIndexOf('PK\x05\x06', undefined, 'latin1') + 10);
}
