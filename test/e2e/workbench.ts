/** The parts of VS Code's page that the tests touch, by the selectors that its own smoke tests use. */
import type { Locator, Page } from 'playwright-core';
import { eventually } from '../host/registry.ts';

/** A page that shows VS Code. */
export class Workbench {
  readonly page: Page;
  /** The folder that is open. */
  readonly folder: string;

  readonly #picture: string;

  /** @param picture the path of the screenshots, without what tells them apart. */
  constructor(page: Page, folder: string, picture: string) {
    this.page = page;
    this.folder = folder;
    this.#picture = picture;
    page.setDefaultTimeout(30_000);
  }

  /** Opens the page and waits until the files of the folder are listed and the extension is there. */
  async open(address: string): Promise<void> {
    await this.page.goto(address);
    await this.explorerItem('go.mod').waitFor();
    await this.icon.waitFor({ timeout: 90_000 }); // the first start on a busy machine takes its time
  }

  /** The extension's icon in the activity bar. */
  get icon(): Locator {
    return this.page.locator('.activitybar a[aria-label="Go Architect"]');
  }

  /** Keeps a screenshot. */
  async screenshot(name: string): Promise<void> {
    await this.page.screenshot({ path: `${this.#picture}-${name}.png` });
  }

  /** A file or folder in the explorer. */
  explorerItem(name: string): Locator {
    return this.page.locator('.explorer-folders-view .monaco-list-row').filter({ hasText: new RegExp(`^${name}$`) });
  }

  /** The box of the command palette, of quick open and of input requests. */
  get quickInput(): Locator {
    return this.page.locator('.quick-input-widget:visible input[type="text"]').first();
  }

  /** An entry below the quick input box. */
  quickPickItem(label: string | RegExp): Locator {
    return this.page.locator('.quick-input-widget:visible .monaco-list-row').filter({ hasText: label }).first();
  }

  /** Types an answer into the input box with this prompt. */
  async answer(prompt: string, text: string): Promise<void> {
    await this.page.locator('.quick-input-widget:visible', { hasText: prompt }).waitFor();
    await this.quickInput.fill(text);
    await this.page.keyboard.press('Enter');
  }

  /** Takes what is selected in the list with this question. */
  async acceptSelection(question: string): Promise<void> {
    await this.page.locator(`.quick-input-widget:visible input[placeholder*="${question}"]`).waitFor();
    await this.page.keyboard.press('Enter');
  }

  /** Opens a file by its path. */
  async openFile(path: string): Promise<void> {
    const name = path.split('/').at(-1) ?? path;
    await this.page.keyboard.press('Control+P');
    await this.quickInput.fill(path);
    await this.quickPickItem(name).click();
    await this.page.locator(`.tab.active[data-resource-name="${name}"]`).waitFor();
    await this.code.click();
  }

  /** Runs a command of the palette by its title; extensions add theirs some time after the start. */
  async runCommand(title: string): Promise<void> {
    await eventually(async () => {
      await this.page.keyboard.press('Escape');
      await this.page.keyboard.press('F1');
      await this.quickInput.fill(`>${title}`);
      await this.quickPickItem(title).click({ timeout: 1_000 });
    }, 30_000);
  }

  /** The lines of the active editor that are on the screen. */
  get code(): Locator {
    return this.page.locator('.editor-instance .view-lines').first();
  }
}
