/** Reads rules in the format of go-arch-lint 3 and holds an import graph to them. */
import { posix } from 'node:path';
import { parseDocument } from '../../../src/core/catalogue/frontMatter.ts';

/** Who may import whom. */
export interface ArchRules {
  /** Name -> the folders that belong to it; `/**` at the end takes in what is below. */
  readonly components: ReadonlyMap<string, readonly string[]>;
  /** Name -> the modules of others that belong to it, in the same notation. */
  readonly vendors: ReadonlyMap<string, readonly string[]>;
  readonly deps: ReadonlyMap<string, Dependencies>;
}

interface Dependencies {
  readonly mayDependOn: readonly string[];
  readonly canUse: readonly string[];
  readonly anyProjectDeps: boolean;
  readonly anyVendorDeps: boolean;
}

/** An import: from a file, to a file of the project or to a module of others. */
export interface ImportEdge {
  readonly from: string;
  readonly to: string;
  readonly inside: boolean;
}

/**
 * Reads a rule file.
 * @throws Error that names what is missing or unknown in it.
 */
export function readRules(path: string, text: string): ArchRules {
  const { data } = parseDocument(path, `---\n${text}\n---\n`);
  if (data.version !== 3) {
    throw new Error(`${path}: version must be 3`);
  }
  const components = new Map(Object.entries(mapOf(data.components)).map(([name, value]) => [name, list(value, 'in')]));
  const vendors = new Map(Object.entries(mapOf(data.vendors)).map(([name, value]) => [name, list(value, 'in')]));
  const deps = new Map<string, Dependencies>();
  for (const [name, value] of Object.entries(mapOf(data.deps))) {
    const { anyProjectDeps = false, anyVendorDeps = false } = mapOf(value);
    const read = { mayDependOn: list(value, 'mayDependOn'), canUse: list(value, 'canUse') };
    for (const [known, names] of [
      [components, [name, ...read.mayDependOn]],
      [vendors, read.canUse],
    ] as const) {
      for (const other of names) {
        if (!known.has(other)) {
          throw new Error(`${path}: deps of "${name}" name "${other}", which is not declared`);
        }
      }
    }
    deps.set(name, { ...read, anyProjectDeps: anyProjectDeps === true, anyVendorDeps: anyVendorDeps === true });
  }
  return { components, vendors, deps };
}

/** What breaks the rules, and which rules nothing uses: one sentence each. */
export function checkRules(rules: ArchRules, files: readonly string[], edges: readonly ImportEdge[]): string[] {
  const findings: string[] = [];
  const used = new Set<string>();
  for (const file of files) {
    const name = componentOf(rules, file);
    name === undefined ? findings.push(`${file} belongs to no component`) : used.add(name);
  }
  for (const { from, to, inside } of edges) {
    const source = componentOf(rules, from);
    const target = inside ? componentOf(rules, to) : nameOf(rules.vendors, to);
    const rule = rules.deps.get(source ?? '');
    const any = inside ? rule?.anyProjectDeps : rule?.anyVendorDeps;
    if ((inside && source === target) || any) {
      if (!inside && target !== undefined) {
        used.add(`vendor ${target}`);
      }
      continue;
    }
    const allowed = inside ? rule?.mayDependOn : rule?.canUse;
    if (target === undefined || !allowed?.includes(target)) {
      findings.push(`${from} imports ${to}: "${source}" may not depend on "${target ?? 'this module'}"`);
      continue;
    }
    used.add(`${source} -> ${target}`);
    used.add(inside ? target : `vendor ${target}`);
  }
  for (const name of rules.components.keys()) {
    if (!used.has(name)) {
      findings.push(`no file belongs to the component "${name}"`);
    }
  }
  for (const name of rules.vendors.keys()) {
    if (!used.has(`vendor ${name}`)) {
      findings.push(`nothing imports the vendor "${name}"`);
    }
  }
  for (const [source, { mayDependOn, canUse }] of rules.deps) {
    for (const target of [...mayDependOn, ...canUse]) {
      if (!used.has(`${source} -> ${target}`)) {
        findings.push(`no import needs "${source}" -> "${target}"`);
      }
    }
  }
  return findings;
}

/** Circles in a graph, each as the nodes on the way round: at least one where there is any. */
export function circlesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const circles = new Set<string>();
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string) => {
    const at = path.indexOf(node);
    if (at >= 0) {
      circles.add([...path.slice(at), node].join(' -> '));
    } else if (!done.has(node)) {
      path.push(node);
      for (const next of graph.get(node) ?? []) {
        visit(next);
      }
      path.pop();
      done.add(node);
    }
  };
  for (const node of graph.keys()) {
    visit(node);
  }
  return [...circles];
}

function componentOf(rules: ArchRules, file: string): string | undefined {
  return nameOf(rules.components, posix.dirname(file));
}

/** The name whose pattern fits; the longest pattern wins. */
function nameOf(patterns: ReadonlyMap<string, readonly string[]>, subject: string): string | undefined {
  let best: { readonly name: string; readonly length: number } | undefined;
  for (const [name, list] of patterns) {
    for (const pattern of list) {
      const fits = pattern.endsWith('**')
        ? `${subject}/`.startsWith(pattern.slice(0, -2)) // "scripts/**" and "node:**"
        : subject === pattern;
      if (fits && pattern.length > (best?.length ?? -1)) {
        best = { name, length: pattern.length };
      }
    }
  }
  return best?.name;
}

function mapOf(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
}

function list(value: unknown, key: string): readonly string[] {
  const found = mapOf(value)[key] ?? [];
  return (Array.isArray(found) ? found : [found]).map(String);
}
