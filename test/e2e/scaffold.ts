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
  await workbench.answer('Folder below orders', 'services/billing');
  await workbench.answer('Module path of the service', 'example.com/billing');
  await workbench.acceptSelection('What else?');
  await workbench.acceptSelection('Which layout?');
  await page.locator('.part.sidebar', { hasText: /\d+ files to create/ }).waitFor();
  await workbench.screenshot('preview');
  await page.locator('.part.sidebar .action-label[aria-label="Create Files"]:visible').click();
  await page.locator('.notifications-toasts', { hasText: /Created \d+ files/ }).waitFor();
  await page.keyboard.press('Control+Shift+E');
  await workbench.explorerItem('services').click();
  for (const name of ['cmd', 'internal', 'pkg']) {
    await workbench.explorerItem(name).first().waitFor();
  }
  const main = await readFile(path.join(folder, 'services/billing/cmd/server/main.go'), 'utf8');
  contains(main, '"example.com/billing/', 'imports of main.go');
}
