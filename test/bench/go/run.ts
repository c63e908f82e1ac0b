/**
 * `npm run bench:go`: what a call of our resilience patterns costs beside other libraries, and who keeps which rule.
 * `--count N` sets how often each benchmark runs; `--quick` is for trying out.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { start, which } from '../../../scripts/lib/process.ts';
import { root } from '../../../scripts/lib/project.ts';

const { values } = parseArgs({
  options: { count: { type: 'string' }, quick: { type: 'boolean', default: false } },
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => process.exit(1)); // which stops the Go program too
}

if (which('go')) {
  const count = values.count ?? (values.quick ? '2' : '10');
  const benchtime = values.quick ? '20ms' : '500ms';
  const child = start('go', ['run', '.', '-count', count, '-benchtime', benchtime], {
    cwd: path.join(root, 'test/bench/go'),
    stdio: 'inherit',
  });
  process.exitCode = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)));
} else {
  console.error('Go is not installed (https://go.dev/dl)');
  process.exitCode = 1;
}
