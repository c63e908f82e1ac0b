import * as vscode from 'vscode';
import type { GoMod } from '../core/go/goMod.ts';
import { modulePathProblem } from '../core/go/modulePath.ts';
import { folderPathProblem } from '../core/scaffold/folder.ts';
import {
  COMPONENT_DESCRIPTIONS,
  COMPONENTS,
  LAYOUT_DESCRIPTIONS,
  LAYOUTS,
  type ScaffoldOptions,
} from '../core/scaffold/options.ts';
import { PlanError } from '../core/scaffold/plan.ts';
import { existingModule, fitToModule, suggestModulePath } from '../core/scaffold/suggest.ts';
import { FolderFiles, type Platform } from './folderFiles.ts';
import { folderName } from './folderName.ts';
import { BACK, inputText, pickItem, pickItems } from './quickInput.ts';

/**
 * A folder to scaffold into: a folder that exists, and the path below it. Seen from the workspace folder, a go.mod above
 * the target is found, a link on the way is noticed, and folders that are created on the way can be removed again.
 */
export interface Target {
  readonly base: vscode.Uri;
  readonly baseName: string;
  readonly path: string;
}

/** The folder itself. */
export function targetUri({ base, path }: Target): vscode.Uri {
  return path === '' ? base : vscode.Uri.joinPath(base, ...path.split('/'));
}

/** A path below the target's base, seen from the target itself. */
export function inTarget({ path }: Target, file: string): string {
  return path === '' ? file : file.slice(path.length + 1);
}

/** Where to scaffold, and what. */
export interface ScaffoldAnswers {
  readonly target: Target;
  readonly options: ScaffoldOptions;
}

const TITLE = 'Scaffold Service';

/** What is known before anything is asked. */
export interface ScaffoldDefaults {
  readonly options: ScaffoldOptions;
  /** The folder, when the command comes from the explorer. */
  readonly folder?: vscode.Uri;
  /** The options were chosen before, in chat: only what is missing is asked. */
  readonly decided: boolean;
  /** The module path is a proposal: it is asked all the same. */
  readonly isProposed?: boolean;
}

/**
 * Asks for folder, module path, components and layout, each with a way back.
 * @returns undefined if the user gave up.
 */
export async function askScaffold(
  platform: Platform,
  { options, folder, decided, isProposed = false }: ScaffoldDefaults,
): Promise<ScaffoldAnswers | undefined> {
  let target = folder && targetOf(folder);
  let { modulePath, components, layout } = options;
  let typedPath: string | undefined; // what was not taken from the proposal is kept on the way back
  let module: GoMod | undefined;
  const steps: ((place: StepPlace) => Promise<StepOutcome>)[] = [
    ...(folder
      ? []
      : [
          async (place: StepPlace) => {
            const answer = await askTarget(place);
            target = answer;
            return answer && 'done';
          },
        ]),
    async (place) => {
      if (target === undefined) {
        return undefined;
      }
      refuseReadOnly(targetUri(target));
      const base = new FolderFiles(target.base, platform);
      // A folder that is a module already keeps its path: its go.mod is never changed.
      const found = await existingModule(base, target.path);
      if (!found.ok) {
        throw new PlanError(found.problem);
      }
      module = found.value;
      if (module) {
        return 'skipped';
      }
      if (decided && !isProposed && modulePathProblem(modulePath) === undefined) {
        return 'skipped';
      }
      const proposed = options.modulePath || (await suggestModulePath(base, target.path, target.baseName));
      const answer = await inputText({
        ...place,
        prompt: 'Module path of the service',
        value: typedPath ?? proposed,
        problemOf: modulePathProblem,
      });
      if (typeof answer === 'string') {
        modulePath = answer;
        typedPath = answer === proposed ? undefined : answer;
      }
      return typeof answer === 'string' ? 'done' : answer;
    },
    ...(decided
      ? []
      : [
          async (place: StepPlace) => {
            const answer = await pickItems({
              ...place,
              placeholder: 'HTTP and an in-memory store are always there. What else?',
              items: COMPONENTS.map((component) => ({
                ...COMPONENT_DESCRIPTIONS[component],
                component,
                picked: components.has(component),
              })),
            });
            components = Array.isArray(answer) ? new Set(answer.map(({ component }) => component)) : components;
            return Array.isArray(answer) ? 'done' : (answer as typeof BACK | undefined);
          },
          async (place: StepPlace) => {
            const items = LAYOUTS.map((name) => ({ ...LAYOUT_DESCRIPTIONS[name], layout: name }));
            const answer = await pickItem({
              ...place,
              placeholder: 'Which layout?',
              items,
              active: items.find((item) => item.layout === layout),
            });
            layout = answer === BACK || answer === undefined ? layout : answer.layout;
            return answer === BACK ? BACK : answer && 'done';
          },
        ]),
  ];
  let direction = 1;
  for (let index = 0; index < steps.length; index = Math.max(0, index + direction)) {
    const place = { title: TITLE, step: index + 1, totalSteps: steps.length, canGoBack: index > 0 };
    const outcome = await steps[index]?.(place);
    if (outcome === undefined) {
      return undefined;
    }
    // A step that asks nothing is passed over in either direction; before the first there is only forward.
    if (outcome === BACK) {
      direction = -1;
    } else if (outcome === 'done' || index === 0) {
      direction = 1;
    }
  }
  if (target === undefined) {
    return undefined;
  }
  return { target, options: fitToModule({ modulePath, components, layout }, module) };
}

/** @throws PlanError if nothing can be written there, before the user is asked for more. */
export function refuseReadOnly(folder: vscode.Uri): void {
  if (vscode.workspace.fs.isWritableFileSystem(folder.scheme) === false) {
    throw new PlanError(
      `Nothing can be written to ${folderName(folder)}: its file system is read-only. Choose another folder.`,
    );
  }
}

/** What became of a step; undefined if the user gave up. */
type StepOutcome = 'done' | 'skipped' | typeof BACK | undefined;

interface StepPlace {
  readonly title: string;
  readonly step: number;
  readonly totalSteps: number;
  readonly canGoBack: boolean;
}

async function askTarget(place: StepPlace): Promise<Target | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.length === 0) {
    return browse();
  }
  for (;;) {
    const here = folders.map((folder) => ({
      label: `$(root-folder) ${folder.name}`,
      description: 'the workspace folder itself',
      choose: async (): Promise<Target | typeof BACK | undefined> => ({
        base: folder.uri,
        baseName: folder.name,
        path: '',
      }),
    }));
    const below = folders.map((folder) => ({
      label: `$(new-folder) New folder in ${folder.name}…`,
      description: '',
      choose: () => askFolderBelow(folder, place),
    }));
    const elsewhere = { label: '$(folder-opened) Another folder…', description: '', choose: browse };
    const choice = await pickItem({
      ...place,
      placeholder: 'Where should the service go?',
      items: [...here, ...below, elsewhere],
    });
    const target = choice === BACK ? undefined : await choice?.choose();
    if (target !== BACK) {
      return target;
    }
  }
}

async function askFolderBelow(
  folder: vscode.WorkspaceFolder,
  place: StepPlace,
): Promise<Target | typeof BACK | undefined> {
  const path = await inputText({
    ...place,
    canGoBack: true,
    prompt: `Folder below ${folder.name}`,
    placeholder: 'services/orders',
    value: '',
    problemOf: folderPathProblem,
  });
  return typeof path === 'string' ? { base: folder.uri, baseName: folder.name, path } : path;
}

async function browse(): Promise<Target | undefined> {
  const [uri] =
    (await vscode.window.showOpenDialog({
      canSelectFolders: true,
      canSelectFiles: false,
      openLabel: 'Scaffold Here',
      title: 'Folder for the service',
    })) ?? [];
  return uri === undefined ? undefined : targetOf(uri);
}

/** A folder inside the workspace is seen from its workspace folder, any other from itself. */
export function targetOf(uri: vscode.Uri): Target {
  const folder = vscode.workspace.getWorkspaceFolder(uri);
  const root = folder?.uri.path.replace(/\/$/, '');
  if (folder && root !== undefined && uri.path.startsWith(`${root}/`)) {
    return { base: folder.uri, baseName: folder.name, path: uri.path.slice(root.length + 1).replace(/\/$/, '') };
  }
  return { base: uri, baseName: uri.path.split('/').findLast(Boolean) ?? 'service', path: '' };
}
