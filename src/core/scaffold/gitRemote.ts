import { publishedPathProblem } from '../go/modulePath.ts';

/**
 * The module path that a git remote suggests.
 * @param gitConfig text of `.git/config`.
 * @param folder the folder to scaffold from the repository's root; empty for the root.
 * @returns undefined if there is no remote, or its address makes no valid module path.
 */
export function modulePathFromGit(gitConfig: string, folder: string): string | undefined {
  const urls = new Map<string, string>();
  let remote: string | undefined;
  for (const line of gitConfig.split(/\r?\n/)) {
    const section = /^\s*\[(.*)\]\s*$/.exec(line);
    if (section) {
      remote = /^remote "(.+)"$/.exec(section[1] ?? '')?.[1];
    }
    const url = /^\s*url\s*=\s*(\S+)\s*$/.exec(line)?.[1];
    if (remote !== undefined && url !== undefined && !urls.has(remote)) {
      urls.set(remote, url);
    }
  }
  const url = urls.get('origin') ?? [...urls.values()][0];
  // git@host:owner/name.git, ssh://git@host:22/owner/name.git, https://host/owner/name.git
  const match = /^(?:[a-z+]+:\/\/)?(?:[^@/]+@)?([^:/]+)(?::\d+(?=\/))?[:/]\/?(.+?)(?:\.git)?\/?$/i.exec(url ?? '');
  if (!match) {
    return undefined;
  }
  const path = [match[1]?.toLowerCase(), match[2], folder].filter(Boolean).join('/');
  return publishedPathProblem(path) === undefined ? path : undefined;
}
