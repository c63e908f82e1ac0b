import type { Assets } from '../assets.ts';
import { parseGoMod } from '../go/goMod.ts';
import { modulePathProblem, serviceName } from '../go/modulePath.ts';
import { buildRelease, isOlder } from '../go/version.ts';
import { relocate, sortImports } from './layout.ts';
import { resolveMarkers } from './markers.ts';
import { holds, type ScaffoldOptions } from './options.ts';
import { MODULES_FILE, type ServiceModules, selectModules } from './serviceModules.ts';

/** A file of the scaffold: path from the target folder, and its text. */
export interface RenderedFile {
  readonly path: string;
  readonly text: string;
}

const ROOT = 'media/service/';

/** The names under which media/service stands as a module of its own. */
const TEMPLATE_MODULE = 'example.com/shopfront';
const TEMPLATE_NAME = 'shopfront';

/** What belongs to a component as a whole, by the beginning of its path; parts of shared files stand between markers. */
const BELONGS: readonly (readonly [string, string])[] = [
  ['api/proto/', 'grpc'],
  ['cmd/server/grpc', 'grpc'],
  ['internal/adapter/grpc/', 'grpc'],
  ['internal/adapter/repository/migrations/0002_outbox', 'postgres kafka'],
  ['internal/adapter/repository/migrations/', 'postgres'],
  ['internal/adapter/repository/postgres_outbox', 'postgres kafka'],
  ['internal/adapter/repository/postgres', 'postgres'],
  ['internal/infrastructure/postgres/', 'postgres'],
  ['cmd/server/postgres', 'postgres'],
  ['internal/adapter/repository/cache', 'redis'],
  ['internal/infrastructure/redis/', 'redis'],
  ['cmd/server/redis', 'redis'],
  ['internal/adapter/messaging/', 'kafka'],
  ['internal/adapter/repository/outbox', 'kafka'],
  ['internal/adapter/repository/memory_outbox', 'kafka'],
  ['internal/infrastructure/kafka/', 'kafka'],
  ['internal/usecase/outbox', 'kafka'],
  ['internal/usecase/usecasetest/outbox', 'kafka'],
  ['cmd/server/kafka', 'kafka'],
  ['pkg/tracing/carry', 'kafka'],
  ['internal/domain/event', 'kafka'],
  ['docs/decisions/0003', 'kafka'],
  ['cmd/server/secret_start', 'postgres|redis'],
  ['cmd/server/secret', 'postgres|redis|kafka'],
  ['.github/', 'ci'],
  ['Dockerfile', 'deploy'],
  ['.dockerignore', 'deploy'],
  ['compose.yaml', 'deploy'],
  ['deploy/', 'deploy'],
];

/**
 * Renders the service for a user's module: the files of media/service that the options ask for, with the module path and
 * the service's name put in.
 * @param service the files of media/service, and the requirements of each combination of components.
 * @returns files in the order of their paths.
 * @throws RangeError if the module path is not valid.
 */
export function renderService(service: Assets, options: ScaffoldOptions): RenderedFile[] {
  const problem = modulePathProblem(options.modulePath);
  if (problem !== undefined) {
    throw new RangeError(problem);
  }
  const name = serviceName(options.modulePath);
  const modules = JSON.parse(service[MODULES_FILE] ?? 'null') as ServiceModules | null;
  const withGoRelease = goReleaseSetter(service, options.goVersion);
  const fill = (text: string) =>
    withGoRelease(text)
      // A function, because "$" in a replacement text has a meaning of its own.
      .replaceAll(TEMPLATE_MODULE, () => options.modulePath)
      .replaceAll(TEMPLATE_NAME, () => name);
  return Object.keys(service)
    .filter((path) => path.startsWith(ROOT))
    .map((path) => path.slice(ROOT.length))
    .filter((path) => {
      const condition = BELONGS.find(([beginning]) => path.startsWith(beginning))?.[1];
      return condition === undefined || holds(condition, options);
    })
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
