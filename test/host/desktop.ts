/**
 * `npm run test:desktop`: the host tests in a desktop VS Code, which is downloaded unless VSCODE_EXECUTABLE names an
 * installed one. Run `npm run package` first.
 */
import { cpSync, rmSync } from 'node:fs';
import path from 'node:path';
import { runTests } from '@vscode/test-electron';
import { cache, manifest, root } from '../../scripts/lib/project.ts';
import { bundleTests, extensionFolders } from './bundle.ts';

const home = path.join(cache, 'runs/desktop');
const workspace = path.join(home, 'workspace');
rmSync(home, { recursive: true, force: true });
cpSync(path.join(root, 'test/e2e/workspace'), workspace, { recursive: true });

const executable = process.env.VSCODE_EXECUTABLE;
const version = process.argv.includes('--minimum') ? manifest().engines.vscode.replace('^', '') : 'stable';
process.exitCode = await runTests({
  ...(executable ? { vscodeExecutablePath: executable } : { version, cachePath: cache }),
  extensionDevelopmentPath: [root, ...extensionFolders],
  extensionTestsPath: await bundleTests('node', 'host/suite/index.ts'),
  launchArgs: [workspace, '--user-data-dir', path.join(home, 'user'), '--disable-workspace-trust', '--skip-welcome'],
});
