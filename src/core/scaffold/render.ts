import type { Assets } from '../catalogue/catalogue.ts';
import { modulePathProblem, serviceName } from './modulePath.ts';

/** The parts of the service that can be left out; HTTP and the in-memory store are always there. */
export const COMPONENTS = ['grpc', 'postgres', 'redis', 'kafka', 'deploy', 'ci'] as const;
export type Component = (typeof COMPONENTS)[number];

/** What to scaffold. */
export interface ScaffoldOptions {
  readonly modulePath: string;
}

/** A file of the scaffold: path from the target folder, and its text. */
export interface RenderedFile {
  readonly path: string;
  readonly text: string;
}

/** The names under which media/service stands as a module of its own. */
export const TEMPLATE_MODULE = 'example.com/shopfront';
export const TEMPLATE_NAME = 'shopfront';

const ROOT = 'media/service/';
const MARKER = /^[ \t]*(?:\/\/|#|<!--|--)[ \t]*scaffold:(?:if [a-z| ]+|end)[ \t]*(?:-->)?[ \t]*\r?\n?/gm;

/**
 * Renders the service for a user's module: the files of media/service with the module path and the service's name put
 * in, and without the marker lines of optional parts.
 * @param service the files of media/service.
 * @returns files in the order of their paths.
 * @throws RangeError if the module path is not valid.
 */
export function renderService(service: Assets, options: ScaffoldOptions): RenderedFile[] {
  const problem = modulePathProblem(options.modulePath);
  if (problem !== undefined) {
    throw new RangeError(problem);
  }
  const name = serviceName(options.modulePath);
  return Object.keys(service)
    .filter((path) => path.startsWith(ROOT))
    .sort()
    .map((path) => ({
      path: path.slice(ROOT.length),
      text: (service[path] ?? '')
        .replace(MARKER, '')
        // A function, because "$" in a replacement text has a meaning of its own.
        .replaceAll(TEMPLATE_MODULE, () => options.modulePath)
        .replaceAll(TEMPLATE_NAME, () => name),
    }));
}
