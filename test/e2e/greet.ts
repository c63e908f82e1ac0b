/** What greets a newcomer: the side bar before anything is scaffolded, the walkthrough, and the editor's menu. */
import type { Workbench } from './workbench.ts';

/** Opens the side bar by its icon, follows it to the walkthrough and to chat, and finds Insert Pattern in the editor. */
export async function greetNewcomer(workbench: Workbench): Promise<void> {
  const { page } = workbench;
  await workbench.icon.click();
  const view = page.locator('.pane', { has: page.locator('.pane-header[aria-label^="Start"]') });
  const button = (name: string) => view.locator('.monaco-button', { hasText: name });
  await button('Scaffold Service').waitFor();
  await view.getByText('no data provider').waitFor({ state: 'hidden' });
  await workbench.screenshot('side-bar');
  const size = page.viewportSize();
  if (size) {
    // What fits on the screen at a zoom of 200 %.
    await page.setViewportSize({ width: size.width / 2, height: size.height / 2 });
    await button('Scaffold Service').scrollIntoViewIfNeeded();
    await workbench.screenshot('zoomed');
    await page.setViewportSize(size);
  }

  await button('Show the Walkthrough').click();
  const steps = page.locator('.getting-started-step');
  await steps.nth(4).waitFor();
  for (let step = 0; step < 5; step++) {
    // The first one is open.
    if (step > 0) {
      await steps.nth(step).click();
    }
    // The picture is drawn in a web view of its own.
    await page.waitForTimeout(600);
    await workbench.screenshot(`step-${step + 1}`);
  }

  await workbench.icon.focus();
  await button('Ask @go-architect').focus();
  await page.keyboard.press('Enter');
  await page.locator('.interactive-input-part .view-lines', { hasText: '@go-architect' }).waitFor();
  await workbench.screenshot('ask');

  await workbench.openFile('internal/payment/client.go');
  await workbench.code.click({ button: 'right' });
  await page.locator('.context-view .action-label', { hasText: 'Insert Pattern' }).waitFor();
  await workbench.screenshot('menu');
  await page.keyboard.press('Escape');
}
