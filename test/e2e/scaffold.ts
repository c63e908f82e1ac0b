/** Scaffold: run the command from the palette, answer it, see the files. */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { contains, equal, ok } from '../host/registry.ts';
import type { Workbench } from './workbench.ts';

/** Scaffolds a service into a new folder of the workspace. */
export async function scaffoldFromPalette(workbench: Workbench): Promise<void> {
  const { page, folder } = workbench;
  await workbench.runCommand('Go Architect: Scaffold Service');
  await workbench.quickPickItem('New folder in orders').click();
  await workbench.answer('Folder below orders', 'services/billing');
  await workbench.answer('Module path of the service', 'example.com/billing');
  // Back and forward again: what was typed is still there.
  await page.locator('.quick-input-widget:visible input[placeholder*="What else?"]').waitFor();
  await page.locator('.quick-input-titlebar .codicon-quick-input-back').click();
  await page.locator('.quick-input-widget:visible', { hasText: 'Module path of the service' }).waitFor();
  equal(await workbench.quickInput.inputValue(), 'example.com/billing', 'the module path');
  await page.keyboard.press('Enter');
  await workbench.acceptSelection('What else?');
  await workbench.acceptSelection('Which layout?');
  await page.locator('.part.sidebar', { hasText: /\d+ files to create/ }).waitFor();
  // What a screen reader says of a file.
  await page.locator('.part.sidebar [role="treeitem"][aria-label="go.mod, will be created"]').waitFor();
  // A file that is not there yet opens in the editor, in the colours of its language.
  const inPreview = (name: string) => page.locator(`.part.sidebar [role="treeitem"][aria-label^="${name}, "]`);
  await inPreview('internal').click();
  await inPreview('domain').click();
  await inPreview('order.go').click();
  const keyword = page
    .locator('.part.editor .view-line', { hasText: 'package domain' })
    .locator('span.mtk6, span.mtk5');
  await keyword.first().waitFor();
  await workbench.screenshot('preview');
  await inPreview('domain').click();
  // The view has the focus: it is decided from the keyboard.
  await page.keyboard.press('Control+Enter');
  await page.locator('.notifications-toasts', { hasText: /Created \d+ files/ }).waitFor();
  // The explorer shows where the service stands.
  const explorer = page.locator('.explorer-folders-view');
  await explorer.locator('.monaco-list-row.selected', { hasText: 'billing' }).waitFor();
  await page.locator('.part.editor .tab', { hasText: 'order.go' }).waitFor({ state: 'detached' }); // it was a preview
  await workbench.screenshot('created');
  await page.keyboard.press('ArrowRight'); // opens it, unless it is open
  for (const name of ['cmd', 'internal', 'pkg']) {
    await workbench.explorerItem(name).first().waitFor();
  }
  const main = await readFile(path.join(folder, 'services/billing/cmd/server/main.go'), 'utf8');
  contains(main, '"example.com/billing/', 'imports of main.go');

  // A second time in the same folder: one file is missing, all others stay.
  await rm(path.join(folder, 'services/billing/Makefile'));
  await explorer.locator('.label-name', { hasText: /^billing$/ }).click({ button: 'right' });
  // A menu takes no click in its first moment.
  await page.locator('.monaco-menu .action-label', { hasText: 'Scaffold Service' }).click({ delay: 300 });
  await workbench.acceptSelection('What else?');
  await workbench.acceptSelection('Which layout?');
  await page.locator('.part.sidebar', { hasText: /1 file to create\. Leaves \d+ existing files alone/ }).waitFor();
  await page.locator('.part.sidebar [role="treeitem"][aria-label="go.mod, exists already, left alone"]').waitFor();
  await workbench.screenshot('again');
  await page.keyboard.press('Escape');
  await page.locator('.part.sidebar', { hasText: 'file to create' }).waitFor({ state: 'detached' });

  await workbench.runCommand('Go Architect: Undo Scaffold');
  await workbench.quickPickItem('example.com/billing').waitFor();
  await workbench.screenshot('undo');
  await page.keyboard.press('Enter');
  await page.locator('.notifications-toasts', { hasText: /Removed \d+ files/ }).waitFor();
  ok(!existsSync(path.join(folder, 'services')), 'undo left a folder that the scaffold had created');
}
