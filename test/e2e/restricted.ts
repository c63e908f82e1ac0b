/** Restricted Mode: nothing is written into a workspace that is not trusted, and the user is told why. */
import { readdir } from 'node:fs/promises';
import { equal } from '../host/registry.ts';
import type { Workbench } from './workbench.ts';

/** Tries to scaffold and to create a pattern's file in an untrusted workspace. */
export async function refuseInRestrictedMode(workbench: Workbench): Promise<void> {
  const { page, folder } = workbench;
  const before = await readdir(folder, { recursive: true });
  await workbench.runCommand('Go Architect: Scaffold Service');
  await page.locator('.notifications-toasts', { hasText: 'Restricted Mode, so Go Architect writes nothing' }).waitFor();
  await workbench.screenshot('refused');
  equal(await readdir(folder, { recursive: true }), before, 'the workspace');
}
