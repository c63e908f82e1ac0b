/**
 * A person's path through each feature, in the real page of VS Code with the packaged extension installed.
 *
 * Alone: `npm run test:e2e`, or `npm run test:e2e -- greet chat` for some paths.
 */
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { cache, root, vsix } from '../../scripts/lib/project.ts';
import { install, installExtension, newest, startServer } from '../../scripts/lib/vscode-server.ts';
import { runAll, type TestResult, test } from '../host/registry.ts';
import { findChromium, launchChromium } from '../lib/chromium.ts';
import { askInChat, scaffoldInChat } from './chat.ts';
import { greetNewcomer } from './greet.ts';
import { insertPattern } from './insertPattern.ts';
import { refuseInRestrictedMode } from './restricted.ts';
import { scaffoldFromPalette } from './scaffold.ts';
import { insertSnippet } from './snippet.ts';
import { Workbench } from './workbench.ts';

/** The themes of VS Code that the pictures show. */
const themes = {
  dark: 'Dark Modern',
  light: 'Light Modern',
  'high-contrast': 'Default High Contrast',
  'high-contrast-light': 'Default High Contrast Light',
} as const;

type Theme = keyof typeof themes;

/** The themes in which a path is walked, where that is not the dark one alone. */
const themesOf: Readonly<Record<string, readonly Theme[]>> = {
  chat: ['dark', 'light'],
  greet: ['dark', 'light', 'high-contrast', 'high-contrast-light'],
};

const screenshots = path.join(cache, 'screenshots');
const home = path.join(cache, 'runs/e2e');

const settings = {
  'editor.minimap.enabled': false,
  'extensions.autoCheckUpdates': false,
  'git.openRepositoryInParentFolders': 'never',
  'telemetry.telemetryLevel': 'off',
  'workbench.startupEditor': 'none',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
};

/** Runs the end-to-end tests, or only those of the paths that are named. */
export async function runE2E(report: (line: string) => void, only: readonly string[] = []): Promise<TestResult[]> {
  const [chromium] = await Promise.all([findChromium(report), install(newest, report)]);
  rmSync(home, { recursive: true, force: true });
  rmSync(screenshots, { recursive: true, force: true });
  mkdirSync(screenshots, { recursive: true });
  const browser = await launchChromium(chromium);
  try {
    const paths = {
      greet: greetNewcomer,
      chat: askInChat,
      snippet: insertSnippet,
      insert: insertPattern,
      scaffold: scaffoldFromPalette,
      'scaffold-chat': scaffoldInChat,
      restricted: refuseInRestrictedMode,
    };
    for (const [name, walk] of Object.entries(paths).filter(([name]) => only.length === 0 || only.includes(name))) {
      for (const theme of themesOf[name] ?? (['dark'] as const)) {
        test(`${name}, ${theme} theme`, () => inWorkbench(browser, `${name}-${theme}`, theme, walk));
      }
    }
    const results: TestResult[] = [];
    await runAll((result) => results.push(result), 180_000);
    return results;
  } finally {
    await browser.close();
  }
}

/** Opens a copy of the sample workspace in a VS Code of its own, walks the path, and keeps a screenshot. */
async function inWorkbench(
  browser: Browser,
  name: string,
  theme: Theme,
  walk: (workbench: Workbench) => Promise<void>,
): Promise<void> {
  const workspace = path.join(home, name, 'orders');
  const data = path.join(home, name, 'data');
  cpSync(path.join(root, 'test/e2e/workspace'), workspace, { recursive: true });
  await installExtension(newest, data, vsix);
  const colorTheme = { 'workbench.colorTheme': themes[theme], 'window.autoDetectHighContrast': false };
  const userSettings = { ...settings, ...colorTheme, 'security.workspace.trust.startupPrompt': 'never' };
  const workspaceTrust = walk === refuseInRestrictedMode;
  const server = await startServer({
    version: newest,
    dataDir: data,
    token: name,
    settings: userSettings,
    workspaceTrust,
  });
  try {
    const page = await browser.newPage({
      viewport: { width: 1440, height: 900 },
      colorScheme: theme.endsWith('light') ? 'light' : 'dark',
    });
    const workbench = new Workbench(page, workspace, path.join(screenshots, name));
    try {
      await workbench.open(server.address(workspace));
      await walk(workbench);
    } finally {
      await workbench.screenshot('end');
      await page.close();
    }
  } finally {
    await server.stop();
  }
}

if (import.meta.main) {
  const results = await runE2E(console.log, process.argv.slice(2));
  for (const { status, name, milliseconds, error = '' } of results) {
    console.log(`${status === 'passed' ? '✓' : '✗'} ${name} (${milliseconds} ms)${error && `\n${error}`}`);
  }
  process.exitCode = results.every(({ status }) => status === 'passed') ? 0 : 1;
}
