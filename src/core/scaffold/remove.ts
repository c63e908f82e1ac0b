import pMap from 'p-map';
import { CONCURRENCY, type FileKind, type Files, foldersAbove } from '../files.ts';

/** A file that was created, and how to tell that it is as it was created. */
export interface CreatedFile {
  readonly path: string;
  readonly isUnchanged: (text: string) => boolean | Promise<boolean>;
}

/** What a removal did. */
export interface Removal {
  readonly removed: readonly string[];
  /** Files that were left, because they have changed. */
  readonly left: readonly string[];
  /** Files that could not be removed. */
  readonly failed: readonly string[];
  /** Folders that were left, because something stands in them or they could not be removed. */
  readonly leftFolders: readonly string[];
}

/**
 * Removes files that are as they were created, then the folders that are empty by then. What somebody has removed is
 * passed over; a link, which may lead elsewhere, is not followed. A change between the comparison of a file and its
 * removal is lost: no file system does both in one step.
 * @param folders outermost first.
 */
export async function removeCreated(
  target: Files,
  files: readonly CreatedFile[],
  folders: readonly string[],
): Promise<Removal> {
  const kinds = new Map<string, Promise<FileKind | undefined>>();
  const kindOf = (folder: string) => {
    const kind = kinds.get(folder) ?? target.kind(folder);
    kinds.set(folder, kind);
    return kind;
  };
  /** Whether only folders lead to a path; undefined if one of them is gone. */
  const isReachable = async (path: string): Promise<boolean | undefined> => {
    for (const folder of foldersAbove(path)) {
      const kind = await kindOf(folder);
      if (kind !== 'folder') {
        return kind === undefined ? undefined : false;
      }
    }
    return true;
  };

  const remove = async ({ path, isUnchanged }: CreatedFile): Promise<'removed' | 'left' | 'failed' | 'gone'> => {
    try {
      const reachable = await isReachable(path);
      const kind = reachable ? await target.kind(path) : undefined;
      if (reachable === undefined || (reachable && kind === undefined)) {
        return 'gone';
      }
      const text = kind === 'file' ? await target.read(path) : undefined;
      if (text === undefined || !(await isUnchanged(text))) {
        return 'left';
      }
      await target.remove(path);
      return 'removed';
    } catch {
      return 'failed';
    }
  };
  const outcomes = await pMap(files, remove, { concurrency: CONCURRENCY });

  const leftFolders: string[] = [];
  for (const folder of folders.toReversed()) {
    try {
      const reachable = await isReachable(folder);
      const kind = reachable ? await target.kind(folder) : undefined;
      const gone = reachable === undefined || (reachable && kind === undefined);
      if (!gone && !(kind === 'folder' && (await target.removeFolderIfEmpty(folder)))) {
        leftFolders.push(folder);
      }
    } catch {
      leftFolders.push(folder);
    }
  }
  const those = (wanted: string) => files.filter((_, index) => outcomes[index] === wanted).map(({ path }) => path);
  return { removed: those('removed'), left: those('left'), failed: those('failed'), leftFolders };
}
