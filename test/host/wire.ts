/** How results leave the extension host: one console line each. */
import { runAll } from './registry.ts';

/** The console line of a message starts with this. */
export const mark = '@@host ';

/** Prints a message for the runner outside. */
export function send(message: unknown): void {
  console.log(mark + JSON.stringify(message));
}

/** Runs every registered test and sends each result; throws when one failed. */
export async function runSuite(): Promise<void> {
  const failed: string[] = [];
  await runAll((result) => {
    send(result);
    if (result.status === 'failed') {
      failed.push(result.name);
    }
  });
  send('end');
  if (failed.length > 0) {
    throw new Error(`failed: ${failed.join(', ')}`);
  }
}
