/** Ask: type a question to @go-architect, press Enter, read. */
import { ok } from '../host/registry.ts';
import type { Workbench } from './workbench.ts';

/** Asks for a design with no account and reads the answer of the catalogue. */
export async function askInChat({ page }: Workbench): Promise<void> {
  await page.keyboard.press('Control+Alt+I');
  const view = page.locator('.interactive-session');
  // The model's name appears in the chat box once the extension offers it.
  await view.locator('.interactive-input-part', { hasText: 'Go Architect' }).waitFor();
  await view.locator('.interactive-input-part .monaco-editor').first().click();
  await page.keyboard.type('@go-architect /design orders must survive an outage of the payment provider', {
    delay: 10,
  });
  await page.keyboard.press('Enter');

  const answer = view.locator('.interactive-item-container.interactive-response').last();
  await answer.filter({ hasText: 'no AI' }).waitFor();
  await answer.filter({ hasText: /circuit breaker/i }).waitFor();
  // Follow-ups come when the answer is complete.
  await view
    .locator('.interactive-session-followups, .chat-followups, .interactive-item-container .monaco-button')
    .first()
    .waitFor();
  ok((await answer.locator('.interactive-result-code-block').count()) > 0, 'the answer shows code');
}
