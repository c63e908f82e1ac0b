import pMap from 'p-map';
import { CONCURRENCY, type FileKind, type Files, foldersAbove } from '../files.ts';
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
 * @throws the signal's reason when it aborts, at once.
 */
export async function planScaffold(
  rendered: readonly RenderedFile[],
  target: Files,
  signal?: AbortSignal,
): Promise<Plan> {
  const root = await target.kind('');
  if (root !== undefined && root !== 'folder') {
    throw new PlanError('The chosen target is not a folder. Choose a folder.');
  }
  const kinds = new Map<string, Promise<FileKind | undefined>>([['', Promise.resolve(root)]]);
  const kindOf = (path: string) => {
    const kind = kinds.get(path) ?? target.kind(path);
    kinds.set(path, kind);
    return kind;
  };
  const outcomeOf = async ({ path }: RenderedFile): Promise<'create' | 'skip' | PlanError> => {
    for (const folder of ['', ...foldersAbove(path)]) {
      const kind = await kindOf(folder);
      if (kind === undefined) {
        return 'create';
      }
      if (kind !== 'folder') {
        return new PlanError(
          kind === 'link'
            ? `"${folder}" is a symbolic link, so files would be written elsewhere. Remove the link or choose another folder.`
            : `"${folder}" is a file, but a folder is needed there. Rename it or choose another folder.`,
        );
      }
    }
    return (await kindOf(path)) === undefined ? 'create' : 'skip';
  };
  const outcomes = await pMap(rendered, outcomeOf, { concurrency: CONCURRENCY, ...(signal && { signal }) });
  const problem = outcomes.find((outcome) => outcome instanceof PlanError);
  if (problem) {
    throw problem;
  }
  return {
    create: rendered.filter((_, index) => outcomes[index] === 'create'),
    skip: rendered.filter((_, index) => outcomes[index] === 'skip').map(({ path }) => path),
  };
}
