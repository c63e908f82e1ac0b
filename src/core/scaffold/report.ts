import type { GoModGap } from '../go/goMod.ts';
import { count, listed } from '../words.ts';
import { filesIn, fileTree } from './fileTree.ts';

/** What became of a scaffolding, and what Go still needs. */
export interface Outcome {
  readonly created: number;
  readonly skipped: number;
  /** What the go.mod that was there already lacks for the service. */
  readonly gap: GoModGap;
  /** A go.work stands above the new module and does not use it yet. */
  readonly outsideGoWork: boolean;
}

/** What was created and left alone, and the next step, in a few sentences. */
export function outcomeText({ created, skipped, gap, outsideGoWork }: Outcome): string {
  const next =
    gapText(gap) ??
    (outsideGoWork ? 'Your go.work does not use it yet.' : created > 0 ? 'Start it with "go run ./cmd/server".' : '');
  return [
    created === 0 ? 'Nothing to create.' : `Created ${count(created, 'file')}.`,
    skipped === 0 ? '' : `Left ${count(skipped, 'existing file')} alone.`,
    next,
  ]
    .filter(Boolean)
    .join(' ');
}

/** What the go.mod that was left alone lacks, if anything. */
export function gapText({ requirements, goVersion }: GoModGap): string | undefined {
  const lacks = [
    ...(goVersion === undefined ? [] : [`go ${goVersion}`]),
    ...requirements.map((line) => line.split(' ')[0] ?? ''),
  ];
  return lacks.length === 0 ? undefined : `Your go.mod lacks for it: ${listed(lacks, 4)}.`;
}

/** A Go command, and what it does in two words. */
export interface NextCommand {
  readonly label: string;
  readonly command: string;
}

/** The Go command that comes next, where a terminal could run it: only a local folder has one. */
export function nextCommand(
  { created, skipped, gap, outsideGoWork }: Outcome,
  scheme: string,
): NextCommand | undefined {
  if (scheme !== 'file') {
    return undefined;
  }
  if (gapText(gap) !== undefined) {
    return { label: 'Run go mod tidy', command: 'go mod tidy' };
  }
  if (outsideGoWork) {
    return { label: 'Run go work use', command: 'go work use .' };
  }
  return created > 0 && skipped === 0 ? { label: 'Start Service', command: 'go run ./cmd/server' } : undefined;
}

/** What stands directly in the target folder, with the number of files in each folder, as Markdown list items. */
export function topLevelList(paths: readonly string[]): string[] {
  return fileTree(paths).map(({ name, children }) =>
    children ? `- \`${name}/\`: ${count(filesIn(children).length, 'file')}` : `- \`${name}\``,
  );
}
