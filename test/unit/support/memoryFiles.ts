import {
  FileExistsError,
  type FileKind,
  type Files,
  FileTooLargeError,
  foldersAbove,
} from '../../../src/core/files.ts';

/** Files in memory, which can be told to fail at a given operation. */
export class MemoryFiles implements Files {
  readonly texts = new Map<string, string>();
  readonly folders = new Set<string>(['']);
  readonly links = new Set<string>();
  /** Called before each writing operation; throws to inject a fault. */
  onWrite: (operation: 'create' | 'createFolder', path: string) => void = () => undefined;

  constructor(texts: Readonly<Record<string, string>> = {}) {
    for (const [path, text] of Object.entries(texts)) {
      this.texts.set(path, text);
      for (const folder of foldersAbove(path)) {
        this.folders.add(folder);
      }
    }
  }

  /** Everything that stands here, to compare two moments. */
  snapshot(): unknown {
    return { texts: [...this.texts].sort(), folders: [...this.folders].sort(), links: [...this.links].sort() };
  }

  async kind(path: string): Promise<FileKind | undefined> {
    if (this.links.has(path)) {
      return 'link';
    }
    if (this.folders.has(path)) {
      return 'folder';
    }
    return this.texts.has(path) ? 'file' : undefined;
  }

  async read(path: string, most = Infinity): Promise<string | undefined> {
    const text = this.texts.get(path);
    if (text !== undefined && text.length > most) {
      throw new FileTooLargeError(path, most);
    }
    return text;
  }

  async create(path: string, text: string): Promise<void> {
    this.onWrite('create', path);
    await this.#refuse(path);
    this.texts.set(path, text);
  }

  async createFolder(path: string): Promise<void> {
    this.onWrite('createFolder', path);
    await this.#refuse(path);
    this.folders.add(path);
  }

  async remove(path: string): Promise<void> {
    if (!this.texts.delete(path)) {
      throw new Error(`${path} is not there`);
    }
  }

  async removeFolderIfEmpty(path: string): Promise<boolean> {
    const inside = [...this.texts.keys(), ...this.folders].some((other) => other.startsWith(`${path}/`));
    return !inside && this.folders.delete(path);
  }

  async #refuse(path: string): Promise<void> {
    if ((await this.kind(path)) !== undefined) {
      throw new FileExistsError(`${path} exists`);
    }
    const parent = foldersAbove(path).at(-1) ?? '';
    if (!this.folders.has(parent)) {
      throw new Error(`the folder ${parent} is missing`);
    }
  }
}
