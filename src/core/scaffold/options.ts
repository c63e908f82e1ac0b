/** The parts of the service that can be left out; HTTP and the in-memory store are always there. */
export const COMPONENTS = ['grpc', 'postgres', 'redis', 'kafka', 'deploy', 'ci'] as const;
export type Component = (typeof COMPONENTS)[number];

/** Where the packages of the service stand. */
export const LAYOUTS = ['recommended', 'platform', 'feature'] as const;
export type Layout = (typeof LAYOUTS)[number];

/** What to scaffold. */
export interface ScaffoldOptions {
  readonly modulePath: string;
  readonly components: ReadonlySet<Component>;
  readonly layout: Layout;
  /** The Go release that the module in the folder is built with, such as "1.27"; the template's own if it is older. */
  readonly goVersion?: string;
}

/** How a choice is shown to a person. */
export interface Description {
  readonly label: string;
  readonly detail: string;
}

export const COMPONENT_DESCRIPTIONS: Readonly<Record<Component, Description>> = {
  grpc: { label: 'gRPC', detail: 'API with health and reflection, beside HTTP' },
  postgres: { label: 'PostgreSQL', detail: 'repositories, migrations and a unit of work' },
  redis: { label: 'Redis', detail: 'cache-aside for reads' },
  kafka: { label: 'Kafka', detail: 'outbox, publisher, consumer with retries and dead letters' },
  deploy: { label: 'Deployment', detail: 'Dockerfile, compose with dashboards and alerts, Kubernetes manifests' },
  ci: { label: 'CI', detail: 'GitHub Actions workflow' },
};

export const LAYOUT_DESCRIPTIONS: Readonly<Record<Layout, Description>> = {
  recommended: { label: 'Recommended tree', detail: 'internal/{domain,usecase,adapter,infrastructure} and pkg' },
  platform: {
    label: 'internal/platform',
    detail: 'the same, with internal/platform in place of pkg: nothing is importable',
  },
  feature: {
    label: 'Feature first',
    detail: 'internal/ordering/{domain,usecase,adapter}, internal/infrastructure and internal/platform',
  },
};

/** Everything on, in the recommended tree. */
export function defaultOptions(modulePath: string): ScaffoldOptions {
  return { modulePath, components: new Set(COMPONENTS), layout: 'recommended' };
}

/**
 * Says whether a condition such as "postgres kafka|redis" holds: all of its words, each of which may name alternatives.
 * Words are components and layouts.
 */
export function holds(
  condition: string,
  { components, layout }: Pick<ScaffoldOptions, 'components' | 'layout'>,
): boolean {
  const on = new Set<string>([...components, layout]);
  return condition
    .trim()
    .split(/ +/)
    .every((word) => word.split('|').some((name) => on.has(name)));
}

/** Writes options as a URI query, so that a preview document knows what it is a preview of. */
export function encodeOptions({ modulePath, components, layout, goVersion }: ScaffoldOptions): string {
  return new URLSearchParams({
    module: modulePath,
    components: [...components].join(' '),
    layout,
    ...(goVersion === undefined ? {} : { goVersion }),
  }).toString();
}

/** Reads options from a URI query or from a tool's or button's argument; what is missing or unknown takes its default. */
export function decodeOptions(query: string | Readonly<Record<string, unknown>>): ScaffoldOptions {
  const given = typeof query === 'string' ? Object.fromEntries(new URLSearchParams(query)) : query;
  const listed = typeof given.components === 'string' ? given.components.split(' ') : given.components;
  const modulePath = given.module ?? given.modulePath;
  const { goVersion } = given;
  return {
    modulePath: typeof modulePath === 'string' ? modulePath : '',
    components: new Set(COMPONENTS.filter((component) => !Array.isArray(listed) || listed.includes(component))),
    layout: LAYOUTS.find((layout) => layout === given.layout) ?? 'recommended',
    ...(typeof goVersion === 'string' && /^\d{1,3}\.\d{1,3}$/.test(goVersion) ? { goVersion } : {}),
  };
}
