/** Ask: type a question to @go-architect, press Enter, read. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Locator } from 'playwright-core';
import { eventually, ok } from '../host/registry.ts';
import type { Workbench } from './workbench.ts';

/** Asks for a design with no account and reads the answer of the catalogue. */
export async function askInChat(workbench: Workbench): Promise<void> {
  const { page } = workbench;
  await workbench.openFile('internal/payment/client.go');
  const { view, answer } = await ask(
    workbench,
    '@go-architect /design orders must survive an outage of the payment provider',
  );
  await answer.filter({ hasText: 'no AI' }).waitFor();
  await answer.filter({ hasText: /circuit breaker/i }).waitFor();
  // Follow-ups come when the answer is complete.
  await view
    .locator('.interactive-session-followups, .chat-followups, .interactive-item-container .monaco-button')
    .first()
    .waitFor();
  await workbench.screenshot('answered');
  await page.keyboard.press('Control+Alt+ArrowUp');
  await eventually(async () => ok((await boxOf(answer)).y > 0, 'the beginning of the answer is in sight'));
  await workbench.screenshot('start');
  // The code is one click away, in an editor, where there is room for it.
  await answer.locator('.monaco-button', { hasText: 'Show Code: Circuit breaker' }).click();
  await workbench.code.filter({ hasText: 'package circuitbreaker' }).waitFor();
}

/** Asks for a service in a sentence, reads its tree and creates it. */
export async function scaffoldInChat(workbench: Workbench): Promise<void> {
  const { page, folder } = workbench;
  const { answer } = await ask(
    workbench,
    '@go-architect /scaffold a billing service with gRPC and Kafka in services/billing, module example.com/billing',
  );
  await answer.filter({ hasText: 'from your request' }).waitFor();
  const create = answer.locator('.monaco-button', { hasText: /^Create$/ });
  await create.waitFor();
  await workbench.screenshot('answered');
  await answer.locator('.label-name', { hasText: /^ci\.yml$/ }).click();
  await workbench.code.filter({ hasText: 'runs-on' }).waitFor();
  await create.click();
  await page.locator('.notifications-toasts', { hasText: /Created \d+ files/ }).waitFor();
  await page.locator('.part.editor .tab', { hasText: 'ci.yml' }).waitFor({ state: 'detached' }); // it was a preview
  ok(existsSync(path.join(folder, 'services/billing/cmd/server/main.go')), 'the service is where the sentence says');
}

/** Opens the chat view with no account, types a question and sends it. */
async function ask(workbench: Workbench, question: string): Promise<{ view: Locator; answer: Locator }> {
  const { page } = workbench;
  await page.keyboard.press('Control+Alt+I');
  const view = page.locator('.interactive-session');
  // The model's name appears in the chat box once the extension offers it.
  await view.locator('.interactive-input-part', { hasText: 'Go Architect' }).waitFor();
  await widen(workbench);
  await view.locator('.interactive-input-part .monaco-editor').first().click();
  await page.keyboard.type(question, { delay: 10 });
  await page.keyboard.press('Enter');
  return { view, answer: view.locator('.interactive-item-container.interactive-response').last() };
}

/** Drags the edge of the chat view to the middle of the window, for more to read at once. */
async function widen({ page }: Workbench): Promise<void> {
  const { x, y, height } = await boxOf(page.locator('.part.auxiliarybar'));
  await page.mouse.move(x - 2, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(880, y + height / 2, { steps: 10 });
  await page.mouse.up();
}

async function boxOf(element: Locator): Promise<{ x: number; y: number; width: number; height: number }> {
  const box = await element.boundingBox();
  ok(box, 'the element is on the screen');
  return box;
}
