import type { Files } from '../files.ts';
import { type Removal, removeCreated } from './remove.ts';
import type { RenderedFile } from './render.ts';

/** What one scaffolding created, kept so that it can be undone. */
export interface JournalEntry {
  /** URI of the target folder. */
  readonly target: string;
  readonly modulePath: string;
  /** When, in ISO 8601. */
  readonly createdAt: string;
  readonly files: readonly { readonly path: string; readonly sha256: string }[];
  /** Folders that were created, outermost first. */
  readonly folders: readonly string[];
}

/** Describes what was created, with a digest of each file. */
export async function journalEntry(
  target: string,
  modulePath: string,
  createdAt: string,
  files: readonly RenderedFile[],
  folders: readonly string[],
): Promise<JournalEntry> {
  const hashed = await Promise.all(files.map(async ({ path, text }) => ({ path, sha256: await sha256(text) })));
  return { target, modulePath, createdAt, files: hashed, folders };
}

/** Removes the files of an entry that are as they were created, and the folders that are empty then. */
export function undoScaffold({ files, folders }: JournalEntry, target: Files): Promise<Removal> {
  const created = files.map(({ path, sha256: digest }) => ({
    path,
    isUnchanged: async (text: string) => (await sha256(text)) === digest,
  }));
  return removeCreated(target, created, folders);
}

/** The folder that holds all files of an entry, seen from its target; empty for the target itself. */
export function folderOf({ files }: JournalEntry): string {
  const [first = [], ...others] = files.map(({ path }) => path.split('/').slice(0, -1));
  const shared = first.findIndex((part, depth) => others.some((other) => other[depth] !== part));
  return first.slice(0, shared < 0 ? first.length : shared).join('/');
}

/** Reads a journal; what is not an entry is passed over, since the file could be from another version. */
export function parseJournal(text: string): JournalEntry[] {
  try {
    const entries: unknown = JSON.parse(text);
    return Array.isArray(entries) ? entries.filter(isEntry) : [];
  } catch {
    return [];
  }
}

function isEntry(value: unknown): value is JournalEntry {
  const entry = value as Partial<JournalEntry> | null;
  return (
    typeof entry === 'object' &&
    typeof entry?.target === 'string' &&
    typeof entry.modulePath === 'string' &&
    typeof entry.createdAt === 'string' &&
    Array.isArray(entry.files) &&
    entry.files.every((file) => isInside(file?.path) && typeof file?.sha256 === 'string') &&
    Array.isArray(entry.folders) &&
    entry.folders.every((folder) => folder === '' || isInside(folder))
  );
}

/** A relative path that cannot leave its root. */
function isInside(path: unknown): boolean {
  return (
    typeof path === 'string' &&
    path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\\'))
  );
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
