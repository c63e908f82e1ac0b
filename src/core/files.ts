/** What stands at a path. A symbolic link says so whatever it points to. */
export type FileKind = 'file' | 'folder' | 'link' | 'other';

/** A path exists where something was to be created. */
export class FileExistsError extends Error {
  override readonly name = 'FileExistsError';
}

/** Writing to a path failed, and it may hold a part of what was written that could not be removed. */
export class LeftBehindError extends Error {
  override readonly name = 'LeftBehindError';
  readonly path: string;

  constructor(path: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.path = path;
  }
}

/** A file is larger than the reader takes; the message is a sentence for the user. */
export class FileTooLargeError extends Error {
  override readonly name = 'FileTooLargeError';

  constructor(path: string, most: number) {
    super(`${path} is larger than ${most / 1_000_000} MB, so it was not read.`);
  }
}

/** How many operations on files are under way at once, where their order does not matter. */
export const CONCURRENCY = 8;

/**
 * The files below one folder. Paths are relative to that folder, with forward slashes and without "." or "..".
 * Adapters implement it for local disks, remote and virtual file systems, tests in memory.
 */
export interface Files {
  /** What stands at the path, or undefined if nothing does. "" is the folder itself. */
  kind(path: string): Promise<FileKind | undefined>;
  /**
   * Text of a file, or undefined if there is no such file.
   * @param most the largest size that is taken, in bytes.
   * @throws FileTooLargeError if the file is larger.
   */
  read(path: string, most?: number): Promise<string | undefined>;
  /**
   * Creates a file; never changes one that exists. A fault leaves nothing behind.
   * @throws FileExistsError if anything stands at the path.
   * @throws LeftBehindError if a part of it could not be removed after a fault.
   */
  create(path: string, text: string): Promise<void>;
  /** Creates one folder whose parent exists; throws as `create` does. */
  createFolder(path: string): Promise<void>;
  /** Deletes a file. */
  remove(path: string): Promise<void>;
  /** Deletes a folder if it is empty; says whether it did. */
  removeFolderIfEmpty(path: string): Promise<boolean>;
}

/** The folders above a path, outermost first: "a/b/c.go" -> ["a", "a/b"]. */
export function foldersAbove(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
