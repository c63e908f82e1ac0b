import type { Assets } from '../assets.ts';
import { parseGoMod } from '../go/goMod.ts';
import { existingPathProblem, serviceName } from '../go/modulePath.ts';
import { buildRelease, isOlder } from '../go/version.ts';
import { isRendered } from './componentFiles.ts';
import { relocate, sortImports } from './layout.ts';
import { resolveMarkers } from './markers.ts';
import type { ScaffoldOptions } from './options.ts';
import { MODULES_FILE, type ServiceModules, selectModules } from './serviceModules.ts';

/** A file of the scaffold: path from the target folder, and its text. */
export interface RenderedFile {
  readonly path: string;
  readonly text: string;
}

const ROOT = 'media/service/';

// The names under which media/service stands as a module of its own: its path, then the service's name alone. The name
// in another host's path, "registry.example.com/shopfront", is the name.
const TEMPLATE_NAMES = /(?<![\w.-])(example\.com\/shopfront)(?![\w-])|shopfront/g;

/**
 * Renders the service for a user's module: the files of media/service that the options ask for, with the module path and
 * the service's name put in.
 * @param service the files of media/service, and the requirements of each combination of components.
 * @returns files in the order of their paths.
 * @throws RangeError if the module path is not valid.
 */
export function renderService(service: Assets, options: ScaffoldOptions): RenderedFile[] {
  const problem = existingPathProblem(options.modulePath);
  if (problem !== undefined) {
    throw new RangeError(problem);
  }
  const name = serviceName(options.modulePath);
  const modules = JSON.parse(service[MODULES_FILE] ?? 'null') as ServiceModules | null;
  const withGoRelease = goReleaseSetter(service, options.goVersion);
  // In one pass, since what is put in can hold the template's names.
  const fill = (text: string) =>
    withGoRelease(text).replace(TEMPLATE_NAMES, (_, module?: string) => (module ? options.modulePath : name));
  return Object.keys(service)
    .filter((path) => path.startsWith(ROOT))
    .map((path) => path.slice(ROOT.length))
    .filter((path) => isRendered(path, options))
    .map((path) => {
      const template = service[ROOT + path] ?? '';
      const resolved =
        (modules && selectModules(modules, path, options.components)) ?? resolveMarkers(template, options);
      const moved = options.layout === 'recommended' ? resolved : relocate(resolved, options.layout);
      return {
        path: relocate(path, options.layout),
        text: fill(path.endsWith('.go') && moved !== resolved ? sortImports(moved) : moved),
      };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * Names another Go release where the template's files name theirs ("golang:1.26", "Go 1.26"), so that there is one in
 * the whole repository. Does nothing unless the other is newer than that of the template's go.mod.
 */
function goReleaseSetter(service: Assets, wanted: string | undefined): (text: string) => string {
  const goMod = parseGoMod(service[`${ROOT}go.mod`] ?? '');
  const own = goMod && buildRelease(goMod);
  if (wanted === undefined || own === undefined || !isOlder(own, wanted)) {
    return (text) => text;
  }
  const mention = new RegExp(`(\\bgolang:|\\bGo )${own.replace('.', '\\.')}(?:\\.\\d+)?\\b`, 'g');
  return (text) => text.replace(mention, (_, before: string) => before + wanted);
}
