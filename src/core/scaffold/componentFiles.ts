import { holds, type ScaffoldOptions } from './options.ts';

/**
 * What belongs to a component as a whole, by the beginning of its path: the condition under which it is rendered. Of
 * several beginnings the longest counts, in whatever order they stand. Parts of shared files stand between markers.
 */
export const COMPONENT_FILES: Readonly<Record<string, string>> = {
  'api/proto/': 'grpc',
  'cmd/server/grpc': 'grpc',
  'internal/adapter/grpc/': 'grpc',
  'internal/adapter/repository/migrations/': 'postgres',
  'internal/adapter/repository/migrations/0002_outbox': 'postgres kafka',
  'internal/adapter/repository/postgres': 'postgres',
  'internal/adapter/repository/postgres_outbox': 'postgres kafka',
  'internal/infrastructure/postgres/': 'postgres',
  'cmd/server/postgres': 'postgres',
  'internal/adapter/repository/cache': 'redis',
  'internal/infrastructure/redis/': 'redis',
  'cmd/server/redis': 'redis',
  'internal/adapter/messaging/': 'kafka',
  'internal/adapter/repository/outbox': 'kafka',
  'internal/adapter/repository/memory_outbox': 'kafka',
  'internal/infrastructure/kafka/': 'kafka',
  'internal/usecase/outbox': 'kafka',
  'internal/usecase/usecasetest/outbox': 'kafka',
  'cmd/server/kafka': 'kafka',
  'pkg/tracing/carry': 'kafka',
  'internal/domain/event': 'kafka',
  'docs/decisions/0003': 'kafka',
  'cmd/server/secret': 'postgres|redis|kafka',
  'cmd/server/secret_start': 'postgres|redis',
  '.github/': 'ci',
  Dockerfile: 'deploy',
  '.dockerignore': 'deploy',
  'compose.yaml': 'deploy',
  'deploy/': 'deploy',
};

/** Whether a file of the template, by its path in the template, is part of a service with these options. */
export function isRendered(
  path: string,
  options: Pick<ScaffoldOptions, 'components' | 'layout'>,
  table: Readonly<Record<string, string>> = COMPONENT_FILES,
): boolean {
  const longest = Object.keys(table).reduce(
    (best, beginning) => (path.startsWith(beginning) && beginning.length > best.length ? beginning : best),
    '',
  );
  return longest === '' || holds(table[longest] ?? '', options);
}
