/** Insert Pattern: choose one that needs a library, see it in the file, and be offered the library. */
import type { Workbench } from './workbench.ts';

/** Inserts the event publisher at the end of main.go. */
export async function insertPattern(workbench: Workbench): Promise<void> {
  const { page } = workbench;
  await workbench.openFile('main.go');
  await page.keyboard.press('Control+End');
  await workbench.runCommand('Go Architect: Insert Pattern');
  await page.locator('.quick-input-widget:visible input[placeholder*="Which pattern?"]').waitFor();
  await workbench.quickInput.fill('Event publisher');
  await workbench.quickPickItem('Event publisher').waitFor();
  await workbench.screenshot('choice');
  await page.keyboard.press('Enter');
  await workbench.quickPickItem('At the cursor in main.go').click();
  await page.locator('.notifications-toasts', { hasText: /go get github\.com\/nats-io\/nats\.go@v/ }).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+Home');
  // The import stands in the block that was there.
  await workbench.code.filter({ hasText: '"github.com/nats-io/nats.go/jetstream"' }).waitFor();
}
