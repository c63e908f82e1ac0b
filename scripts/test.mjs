// `npm test`: installs what is missing with nothing but Node 20, then hands over to test.ts.
import { handOver } from './bootstrap.mjs';

await handOver('test.ts');
