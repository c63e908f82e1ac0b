import { count, listed } from '../words.ts';
import type { GoModGap } from '../workspace/goModule.ts';

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

/** The Go command that comes next, where a terminal could run it: only a local folder has one. */
export function nextCommand({ gap, outsideGoWork }: Outcome, scheme: string): string | undefined {
  if (scheme !== 'file') {
    return undefined;
  }
  return gapText(gap) === undefined ? (outsideGoWork ? 'go work use .' : undefined) : 'go mod tidy';
}
