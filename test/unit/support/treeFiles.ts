import { posix } from 'node:path';
import { FileExistsError, type FileKind, type Files, LeftBehindError } from '../../../src/core/files.ts';

/** What stands at an absolute path of the tree. */
export type TreeNode = { readonly text: string } | { readonly link: string } | 'folder';

/** Where the fault strikes: before the operation took effect, or after it. */
export type Fault = 'before' | 'after';

/**
 * A whole file system with symbolic links that are followed as an operating system does, seen through one folder of it;
 * an operation can be made to fail before or after it has taken effect.
 */
export class TreeFiles implements Files {
  readonly nodes = new Map<string, TreeNode>([['/', 'folder']]);
  readonly #root: string;
  /** Called before each operation; says whether and where it fails. */
  onOperation: (operation: keyof Files, path: string) => Fault | undefined = () => undefined;

  constructor(root: string) {
    this.#root = root;
  }

  /** The absolute path of a path below the root. */
  at(path: string): string {
    return posix.join(this.#root, path);
  }

  /** Puts a node at an absolute path, with the folders above it; does nothing where those are no folders. */
  put(path: string, node: TreeNode): boolean {
    const parts = path.split('/').slice(1, -1);
    for (let depth = 1; depth <= parts.length; depth++) {
      const folder = `/${parts.slice(0, depth).join('/')}`;
      const found = this.nodes.get(folder);
      if (found !== undefined && found !== 'folder') {
        return false;
      }
      this.nodes.set(folder, 'folder');
    }
    this.delete(path);
    this.nodes.set(path, node);
    return true;
  }

  /** Deletes a node with all that is in it. */
  delete(path: string): void {
    for (const other of [...this.nodes.keys()]) {
      if (other === path || other.startsWith(`${path}/`)) {
        this.nodes.delete(other);
      }
    }
  }

  /** Moves what stands at a path, with all that is in it; says whether anything stood there. */
  move(from: string, to: string): boolean {
    const moved = [...this.nodes].filter(([path]) => path === from || path.startsWith(`${from}/`));
    this.delete(from);
    for (const [path, node] of moved) {
      this.put(to + path.slice(from.length), node);
    }
    return moved.length > 0;
  }

  /** Everything, to compare two moments. */
  snapshot(): Record<string, string> {
    const shown = (node: TreeNode) =>
      node === 'folder' ? 'folder' : 'text' in node ? `text ${node.text}` : `link ${node.link}`;
    return Object.fromEntries([...this.nodes].sort().map(([path, node]) => [path, shown(node)]));
  }

  kind(path: string): Promise<FileKind | undefined> {
    return this.#run('kind', path, () => {
      const node = this.nodes.get(this.#parentFollowed(path));
      if (node === undefined || node === 'folder') {
        return node;
      }
      return 'link' in node ? 'link' : 'file';
    });
  }

  read(path: string): Promise<string | undefined> {
    return this.#run('read', path, () => {
      const node = this.nodes.get(this.#followed(path));
      return node !== undefined && node !== 'folder' && 'text' in node ? node.text : undefined;
    });
  }

  create(path: string, text: string): Promise<void> {
    return this.#run('create', path, () => this.#add(path, { text }), true);
  }

  createFolder(path: string): Promise<void> {
    return this.#run('createFolder', path, () => this.#add(path, 'folder'), true);
  }

  remove(path: string): Promise<void> {
    return this.#run('remove', path, () => {
      const full = this.#parentFollowed(path);
      const node = this.nodes.get(full);
      if (node === undefined || node === 'folder') {
        throw new Error(`no file ${full}`);
      }
      this.nodes.delete(full);
    });
  }

  removeFolderIfEmpty(path: string): Promise<boolean> {
    return this.#run('removeFolderIfEmpty', path, () => {
      const full = this.#parentFollowed(path);
      if (this.nodes.get(full) !== 'folder') {
        throw new Error(`no folder ${full}`);
      }
      return [...this.nodes.keys()].some((other) => other.startsWith(`${full}/`)) ? false : this.nodes.delete(full);
    });
  }

  #add(path: string, node: TreeNode): void {
    const full = this.#parentFollowed(path);
    if (this.nodes.has(full)) {
      throw new FileExistsError(`${full} exists`);
    }
    if (this.nodes.get(posix.dirname(full)) !== 'folder') {
      throw new Error(`no folder ${posix.dirname(full)}`);
    }
    this.nodes.set(full, node);
  }

  /** A fault of a creating operation after it took effect is one that left something behind. */
  async #run<T>(name: keyof Files, path: string, operation: () => T, creates = false): Promise<T> {
    await Promise.resolve(); // lets operations that run at once interleave
    const fault = this.onOperation(name, path);
    if (fault === 'before') {
      throw new Error('fault');
    }
    const result = operation();
    if (fault === 'after') {
      throw creates ? new LeftBehindError(path, new Error('fault')) : new Error('fault');
    }
    return result;
  }

  #followed(path: string): string {
    return this.#follow(this.at(path), 0);
  }

  #parentFollowed(path: string): string {
    const full = this.at(path);
    return posix.join(this.#follow(posix.dirname(full), 0), posix.basename(full));
  }

  #follow(path: string, depth: number): string {
    let full = '/';
    for (const part of path.split('/').filter(Boolean)) {
      full = posix.join(full, part);
      const node = this.nodes.get(full);
      if (node !== undefined && node !== 'folder' && 'link' in node && depth < 8) {
        full = this.#follow(node.link, depth + 1);
      }
    }
    return full;
  }
}
