/** Scaffold: run the command from the palette, answer it, see the files. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { contains } from '../host/registry.ts';
import type { Workbench } from './workbench.ts';

/** Scaffolds a service into a new folder of the workspace. */
export async function scaffoldFromPalette(workbench: Workbench): Promise<void> {
  const { page, folder } = workbench;
  await workbench.runCommand('Go Architect: Scaffold Service');
  await workbench.quickPickItem('New folder in orders').click();
  await workbench.quickInput.fill('services/billing');
  await page.keyboard.press('Enter');
  await page.locator('.quick-input-widget:visible', { hasText: 'Module path of the service' }).waitFor();
  await workbench.quickInput.fill('example.com/billing');
  await page.keyboard.press('Enter');
  await page.locator('.notifications-toasts', { hasText: /Created \d+ files/ }).waitFor();
  await workbench.explorerItem('services').click();
  for (const name of ['cmd', 'internal', 'pkg']) {
    await workbench.explorerItem(name).first().waitFor();
  }
  const main = await readFile(path.join(folder, 'services/billing/cmd/server/main.go'), 'utf8');
  contains(main, '"example.com/billing/', 'imports of main.go');
}
