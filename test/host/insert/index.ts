/** The module that VS Code loads into the extension host; `run` is its contract. */
import './insert.ts';

export { runSuite as run } from '../wire.ts';
