/** The module that VS Code loads into the extension host; `run` is its contract. */
import { runAll } from '../registry.ts';
import { send } from '../wire.ts';
import './manifest.ts';
import './chat.ts';
import './snippets.ts';
import './scaffold.ts';
import './commands.ts';
import './fileSystems.ts';

/** Runs every host test; throws when one failed. */
export async function run(): Promise<void> {
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
