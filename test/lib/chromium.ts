/** Finds, and on Debian installs, the browser that shows VS Code to the tests. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { mustRun, which } from '../../scripts/lib/process.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge'];
const applications = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** The path of a Chromium browser; installs Debian's where that is possible. */
export async function findChromium(report: (line: string) => void): Promise<string> {
  const found = installed();
  if (found) {
    return found;
  }
  if (which('apt-get') && process.getuid?.() === 0) {
    report('installing Chromium with apt-get');
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    const wait = ['-o', 'DPkg::Lock::Timeout=300'];
    await mustRun('apt-get', [...wait, 'update'], { env });
    await mustRun('apt-get', [...wait, 'install', '--yes', '--no-install-recommends', 'chromium'], { env });
  }
  const now = installed();
  if (!now) {
    throw new Error('No browser found: install Chromium (on Debian: apt-get install chromium) or set CHROMIUM_PATH.');
  }
  return now;
}

/** Starts the browser without a window and with a new profile. */
export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

function installed(): string | undefined {
  const chosen = process.env.CHROMIUM_PATH;
  if (chosen) {
    return chosen;
  }
  return names.map(which).find((file) => file !== undefined) ?? applications.find((file) => existsSync(file));
}
