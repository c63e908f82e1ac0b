import { FileExistsError, type Files, foldersAbove, LeftBehindError } from '../files.ts';
import { listed } from '../words.ts';
import type { Plan } from './plan.ts';
import { removeCreated } from './remove.ts';
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
    try {
      await target.createFolder(folder);
      folders.push(folder);
    } catch (error) {
      if (!(error instanceof FileExistsError)) {
        throw error;
      }
      // Since the plan was made, somebody may have put a link there, which would lead the writing elsewhere.
      if ((await target.kind(folder)) !== 'folder') {
        throw new Error(`"${folder}" is not a folder any more`, { cause: error });
      }
    }
    known.add(folder);
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
    const created = files.map(({ path, text }) => ({ path, isUnchanged: (now: string) => now === text }));
    const kept = await removeCreated(target, created, folders);
    const behind = error instanceof LeftBehindError ? [error.path] : [];
    const left = [...behind, ...kept.left, ...kept.failed, ...kept.leftFolders].map(
      (path) => path || 'the target folder',
    );
    const cancelled = error instanceof Cancelled;
    const why = cancelled ? 'Cancelled' : `Writing failed: ${error instanceof Error ? error.message : String(error)}`;
    const after =
      left.length === 0
        ? 'What had been created was removed again.'
        : `These could not be removed again: ${listed(left, MAX_NAMED)}.`;
    throw new WriteError(`${why.replace(/\.$/, '')}. ${after}`, { cancelled, left, cause: error });
  }
}

// More names than this make no sentence; WriteError.left has them all.
const MAX_NAMED = 5;

class Cancelled extends Error {}
