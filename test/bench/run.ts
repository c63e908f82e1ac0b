/** `npm run bench`: the figures to watch, as one table; none of them passes or fails. */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { npm } from '../../scripts/lib/process.ts';
import { root, vsix } from '../../scripts/lib/project.ts';
import { newest } from '../../scripts/lib/vscode-server.ts';
import { runInHost } from '../host/run.ts';
import type { Sample } from './suite.ts';

const starts = 10;

console.log('building and packaging');
await npm(['run', 'package'], { cwd: root });
const samples: Sample[] = [];
for (let number = 1; number <= starts; number++) {
  console.log(`extension host ${number} of ${starts}`);
  // A Go workspace and the catalogue model would have the extension activated before it can be timed.
  const settings = { 'goArchitect.catalogueModel.enabled': false };
  const run = { kind: 'node', version: newest, entry: 'bench/suite.ts', emptyFolder: true, settings } as const;
  samples.push(...(await runInHost<Sample>(run, console.log)));
}

const rows: readonly (readonly [string, string])[] = [
  ['main bundle (dist/extension.js)', kilobytes('dist/extension.js')],
  ['browser bundle (dist/web/extension.js)', kilobytes('dist/web/extension.js')],
  ['VSIX', kilobytes(vsix)],
  ['files in the VSIX', String(entriesOf(vsix))],
  [`activate(), median of ${samples.length}`, milliseconds('activate')],
  [`question to first model call, median of ${samples.length}`, milliseconds('firstCall')],
];
const width = Math.max(...rows.map(([name]) => name.length));
console.log();
for (const [name, value] of rows) {
  console.log(`${name.padEnd(width)}  ${value.padStart(10)}`);
}

function kilobytes(file: string): string {
  return `${(statSync(path.resolve(root, file)).size / 1000).toFixed(1)} kB`;
}

function milliseconds(key: keyof Sample): string {
  const sorted = samples.map((sample) => sample[key]).sort((a, b) => a - b);
  const [low = Number.NaN, high = Number.NaN] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return `${((low + high) / 2).toFixed(1)} ms`;
}

/** The number of files in a zip archive, from its end record. */
function entriesOf(archive: string): number {
  const bytes = readFileSync(archive);
  return bytes.readUInt16LE(bytes.lastIndexOf('PK\x05\x06', undefined, 'latin1') + 10);
}
