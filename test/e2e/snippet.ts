/** Insert: type a prefix in main.go, accept, look at the code. */
import { ok } from '../host/registry.ts';
import type { Workbench } from './workbench.ts';

/** Completes the circuit breaker at the end of main.go. */
export async function insertSnippet(workbench: Workbench): Promise<void> {
  const { page } = workbench;
  await workbench.openFile('main.go');
  await page.keyboard.press('Control+End');
  await page.keyboard.press('Enter');
  await page.keyboard.type('archbreaker', { delay: 30 });
  const offer = page.locator('.suggest-widget.visible .monaco-list-row.focused').filter({ hasText: 'archbreaker' });
  await offer.waitFor();
  await page.keyboard.press('Control+Space'); // what it is, beside it
  await page.locator('.suggest-details-container', { hasText: 'When to use' }).waitFor();
  await workbench.screenshot('offer');
  await page.keyboard.press('Enter');
  await workbench.code.filter({ hasText: 'ErrBreakerOpen' }).waitFor();
  // Renaming the first tab stop renames the type everywhere.
  await page.keyboard.type('Payment');
  await page.keyboard.press('Escape');
  const code = workbench.code.filter({ hasText: 'ErrPaymentOpen' });
  await code.waitFor();
  ok((await code.filter({ hasText: 'archbreaker' }).count()) === 0, 'the prefix is gone');
  await page.keyboard.press('Control+Home');
  await workbench.code.filter({ hasText: '"math/rand/v2"' }).waitFor();
}
