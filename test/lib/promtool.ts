/** Finds promtool, which checks and tests Prometheus rules. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { run, which } from '../../scripts/lib/process.ts';
import { cache } from '../../scripts/lib/project.ts';

/** Where promtool is, or why it is nowhere. */
export interface Promtool {
  readonly path?: string;
  readonly note?: string;
}

/** Looks on PATH; on Debian and its kin, unpacks the package into the cache, which installs nothing and needs no root. */
export async function findPromtool(report: (line: string) => void): Promise<Promtool> {
  const installed = which('promtool');
  if (installed) {
    return { path: installed };
  }
  const own = path.join(cache, 'promtool');
  if (existsSync(own)) {
    return { path: own };
  }
  if (!which('apt-get') || !which('dpkg-deb')) {
    return { note: 'promtool is not available: install Prometheus' };
  }
  report('fetching promtool from the package "prometheus"');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(path.join(cache, 'promtool-'));
  try {
    const download = () => run('apt-get', ['-qq', 'download', 'prometheus'], { cwd: folder });
    let { code, output } = await download();
    if (code !== 0 && process.getuid?.() === 0) {
      await run('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=300', 'update']); // the lists may be absent or out of date
      ({ code, output } = await download());
    }
    const [file] = readdirSync(folder);
    if (code === 0 && file !== undefined) {
      ({ code, output } = await run('dpkg-deb', ['-x', file, '.'], { cwd: folder }));
    }
    const unpacked = path.join(folder, 'usr/bin/promtool');
    if (code !== 0 || !existsSync(unpacked)) {
      return { note: `promtool is not available: ${output.trim().split('\n').at(-1)}` };
    }
    renameSync(unpacked, own);
    return { path: own };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
