/** The module that VS Code loads into the extension host; `run` is its contract. */
import './manifest.ts';
import './chat.ts';
import './snippets.ts';
import './scaffold.ts';
import './commands.ts';
import './fileSystems.ts';

export { runSuite as run } from '../wire.ts';
