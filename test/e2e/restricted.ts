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
  await page.keyboard.press('Escape');
  await page.locator('.notifications-toasts', { hasText: 'Restricted Mode' }).waitFor({ state: 'hidden' });

  await workbench.runCommand('Go Architect: Insert Pattern');
  await page.locator('.quick-input-widget:visible input[placeholder*="Which pattern?"]').waitFor();
  await workbench.quickInput.fill('Bulkhead');
  // At once, as somebody does who knows the name: before the list of the page shows what was found.
  await page.keyboard.press('Enter');
  await workbench.quickPickItem('In a new file').click();
  await page.locator('.notifications-toasts', { hasText: 'Restricted Mode, so Go Architect writes nothing' }).waitFor();
  await workbench.screenshot('refused-pattern');
  equal(await readdir(folder, { recursive: true }), before, 'the workspace');
}
