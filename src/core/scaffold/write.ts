import { FileExistsError, type Files, foldersAbove } from '../files.ts';
import type { Plan } from './plan.ts';
import type { RenderedFile } from './render.ts';

/** What was written. */
export interface WriteResult {
  readonly files: readonly string[];
  readonly folders: readonly string[];
  /** Files of the plan that appeared in the meantime and were left alone. */
  readonly skipped: readonly string[];
}

/** Writing stopped and what had been created was removed again, as far as `left` says. */
export class WriteError extends Error {
  override readonly name = 'WriteError';
  /** True if the user stopped it, rather than a fault. */
  readonly cancelled: boolean;
  /** Paths that could not be removed again; empty if the folder is as it was. */
  readonly left: readonly string[];

  constructor(message: string, options: { cancelled: boolean; left: readonly string[]; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.cancelled = options.cancelled;
    this.left = options.left;
  }
}

/** Follows the writing and can stop it. */
export interface WriteControl {
  readonly isCancelled: () => boolean;
  /** Called before each file, with the number of files written so far. */
  readonly onProgress: (written: number, path: string) => void;
}

/**
 * Creates the files of a plan; never changes one that exists. Complete or undone: on a fault or when cancelled, what
 * was created is removed again.
 * @throws WriteError after the clean-up.
 */
export async function writePlan(plan: Plan, target: Files, control: WriteControl): Promise<WriteResult> {
  const files: RenderedFile[] = [];
  const folders: string[] = [];
  const skipped: string[] = [];
  const known = new Set<string>();

  const ensureFolder = async (folder: string) => {
    if (known.has(folder)) {
      return;
    }
    known.add(folder);
    if ((await target.kind(folder)) === undefined) {
      await target.createFolder(folder);
      folders.push(folder);
    }
  };

  try {
    for (const file of plan.create) {
      if (control.isCancelled()) {
        throw new Cancelled();
      }
      control.onProgress(files.length, file.path);
      for (const folder of ['', ...foldersAbove(file.path)]) {
        await ensureFolder(folder);
      }
      try {
        await target.create(file.path, file.text);
        files.push(file);
      } catch (error) {
        if (!(error instanceof FileExistsError)) {
          throw error;
        }
        skipped.push(file.path);
      }
    }
    if (control.isCancelled()) {
      throw new Cancelled();
    }
    return { files: files.map(({ path }) => path), folders, skipped };
  } catch (error) {
    const left = await removeCreated(target, files, folders);
    const cancelled = error instanceof Cancelled;
    const why = cancelled ? 'Cancelled' : `Writing failed: ${error instanceof Error ? error.message : String(error)}`;
    const after =
      left.length === 0
        ? 'What had been created was removed again.'
        : `These could not be removed again: ${left.join(', ')}.`;
    throw new WriteError(`${why}. ${after}`, { cancelled, left, cause: error });
  }
}

class Cancelled extends Error {}

/**
 * Removes files that still hold what was written, then the folders that are empty by then, newest first.
 * @returns what could not be removed, or was changed by somebody else in the meantime.
 */
async function removeCreated(
  target: Files,
  files: readonly RenderedFile[],
  folders: readonly string[],
): Promise<string[]> {
  const left: string[] = [];
  for (const { path, text } of files.toReversed()) {
    try {
      if ((await target.read(path)) === text) {
        await target.remove(path);
      } else {
        left.push(path);
      }
    } catch {
      left.push(path);
    }
  }
  for (const folder of folders.toReversed()) {
    try {
      if (!(await target.removeFolderIfEmpty(folder))) {
        left.push(folder || 'the target folder');
      }
    } catch {
      left.push(folder || 'the target folder');
    }
  }
  return left;
}
