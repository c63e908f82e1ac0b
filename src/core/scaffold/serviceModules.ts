import type { Component } from './options.ts';

/** Where the requirements of all combinations are kept. */
export const MODULES_FILE = 'media/service-modules.json';

/** The components that decide what a module requires; the others add no Go code. */
export const CODE_COMPONENTS = ['grpc', 'postgres', 'redis', 'kafka'] as const satisfies readonly Component[];

/**
 * What `go mod tidy` leaves for each combination of components: every line that occurs in go.mod or go.sum, with the set
 * of combinations that have it. A combination is a number whose bit i says whether CODE_COMPONENTS[i] is on; a set of
 * combinations is a number whose bit c says whether combination c is in it.
 */
export interface ServiceModules {
  readonly 'go.mod': readonly (readonly [line: string, combinations: number])[];
  readonly 'go.sum': readonly (readonly [line: string, combinations: number])[];
}

/** The number of a combination. */
export function combinationOf(components: ReadonlySet<Component>): number {
  return CODE_COMPONENTS.reduce((sum, component, bit) => sum + (components.has(component) ? 1 << bit : 0), 0);
}

/** The text of go.mod or go.sum for a combination; undefined for any other file. */
export function selectModules(
  modules: ServiceModules,
  path: string,
  components: ReadonlySet<Component>,
): string | undefined {
  if (path !== 'go.mod' && path !== 'go.sum') {
    return undefined;
  }
  const combination = combinationOf(components);
  return modules[path]
    .filter(([, combinations]) => (combinations >> combination) & 1)
    .map(([line]) => `${line}\n`)
    .join('');
}

/**
 * Merges the go.mod or go.sum of all combinations into one list of lines. The lines that combinations share stand in the
 * same order in each, so one order fits all.
 * @param texts text by combination.
 */
export function mergeCombinations(texts: readonly string[]): (readonly [string, number])[] {
  const merged: { line: string; combinations: number }[] = [];
  texts.forEach((text, combination) => {
    let at = 0;
    for (const line of text.replace(/\n$/, '').split('\n')) {
      const found = merged.findIndex((other, index) => index >= at && other.line === line);
      if (found >= 0) {
        (merged[found] as { combinations: number }).combinations |= 1 << combination;
        at = found + 1;
      } else {
        merged.splice(at, 0, { line, combinations: 1 << combination });
        at += 1;
      }
    }
  });
  return merged.map(({ line, combinations }) => [line, combinations] as const);
}
