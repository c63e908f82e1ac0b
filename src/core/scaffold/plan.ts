import { type FileKind, type Files, foldersAbove } from '../files.ts';
import type { RenderedFile } from './render.ts';

/** What scaffolding would do. */
export interface Plan {
  /** Files to create, in the order of their paths. */
  readonly create: readonly RenderedFile[];
  /** Paths that exist already and are left alone. */
  readonly skip: readonly string[];
}

/** Scaffolding cannot go on; nothing was written. The message says why and what to do. */
export class PlanError extends Error {
  override readonly name = 'PlanError';
}

/**
 * Compares the rendered files with what stands in the target folder; reads only.
 * @throws PlanError if a file stands where a folder is needed, or a symbolic link would lead the writing elsewhere.
 */
export async function planScaffold(rendered: readonly RenderedFile[], target: Files): Promise<Plan> {
  const root = await target.kind('');
  if (root !== undefined && root !== 'folder') {
    throw new PlanError('The chosen target is not a folder. Choose a folder.');
  }
  const kinds = new Map<string, FileKind | undefined>();
  const kindOf = async (path: string) => {
    if (!kinds.has(path)) {
      kinds.set(path, await target.kind(path));
    }
    return kinds.get(path);
  };
  const create: RenderedFile[] = [];
  const skip: string[] = [];
  for (const file of rendered) {
    let parentExists = true;
    for (const folder of foldersAbove(file.path)) {
      const kind: FileKind | undefined = parentExists ? await kindOf(folder) : undefined;
      parentExists = kind === 'folder';
      if (kind !== undefined && kind !== 'folder') {
        throw new PlanError(
          kind === 'link'
            ? `"${folder}" is a symbolic link, so files would be written elsewhere. Remove the link or choose another folder.`
            : `"${folder}" is a file, but a folder is needed there. Rename it or choose another folder.`,
        );
      }
    }
    if (parentExists && (await kindOf(file.path)) !== undefined) {
      skip.push(file.path);
    } else {
      create.push(file);
    }
  }
  return { create, skip };
}
