/** Insert Pattern: choose one that needs a library, see it in the file, and be offered the library. */
import type { Workbench } from './workbench.ts';

/** Inserts the event publisher at the end of main.go. */
export async function insertPattern(workbench: Workbench): Promise<void> {
  const { page } = workbench;
  await workbench.openFile('main.go');
  await page.keyboard.press('Control+End');
  await workbench.runCommand('Go Architect: Insert Pattern');
  await page.locator('.quick-input-widget:visible input[placeholder*="Which pattern?"]').waitFor();
  await workbench.quickInput.fill('throttle');
  const limiter = workbench.quickPickItem('Rate limiter');
  await limiter.waitFor();
  await workbench.screenshot('choice');
  // The page stands to the side, without front matter, and the list stays.
  await limiter.hover();
  await limiter.locator('.codicon-book').click();
  await page
    .locator('.tab[data-resource-name^="Preview ratelimiter.md"], .tab', { hasText: 'ratelimiter.md' })
    .waitFor();
  await limiter.waitFor();
  await workbench.screenshot('page');
  await workbench.quickInput.fill('jetstream publish');
  await workbench.quickPickItem('Event publisher').waitFor();
  await page.keyboard.press('Enter');
  await workbench.quickPickItem('At the cursor in main.go').click();
  await page.locator('.notifications-toasts', { hasText: /go get github\.com\/nats-io\/nats\.go@v/ }).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+Home');
  // The import stands in the block that was there.
  await workbench.code.filter({ hasText: '"github.com/nats-io/nats.go/jetstream"' }).waitFor();
  // The same pattern twice would not compile: a sentence, and a package of its own instead.
  await workbench.runCommand('Go Architect: Insert Pattern');
  await workbench.quickInput.fill('Event publisher');
  await workbench.quickPickItem('Event publisher').waitFor();
  await page.keyboard.press('Enter');
  await workbench.quickPickItem('At the cursor in main.go').click();
  const refusal = page.locator('.notifications-toasts', { hasText: /Package main has names that .* needs/ });
  await refusal.waitFor();
  await workbench.screenshot('twice');
  await refusal.getByRole('button', { name: 'In a New Package…' }).click();
  await workbench.quickPickItem('New package in orders…').click();
  await workbench.quickInput.fill('internal/a b');
  await page.locator('.quick-input-widget:visible', { hasText: 'Go cannot import a package from "a b"' }).waitFor();
  await workbench.screenshot('folder');
  await workbench.quickInput.fill('internal/events');
  await page.keyboard.press('Enter');
  await page.locator('.tab.active[data-resource-name="eventpublisher.go"]').waitFor();
  await workbench.code.filter({ hasText: 'package events' }).waitFor();
}
