// `npm start`: installs what is missing with nothing but Node 20, then hands over to start.ts.
import { handOver } from './bootstrap.mjs';

await handOver('start.ts');
