/**
 * The Go release that a module is built with, such as "1.27": that of its go line, or of its toolchain line if that is
 * newer (https://go.dev/doc/toolchain). Undefined if neither names a release.
 */
export function buildRelease({
  goVersion = '',
  toolchain = '',
}: {
  readonly goVersion: string | undefined;
  readonly toolchain: string | undefined;
}): string | undefined {
  const releases = [goVersion, toolchain.replace(/^go/, '')].flatMap(
    (version) => /^(\d{1,3}\.\d{1,3})(?:\.\d+)?(?:-.*)?$/.exec(version)?.[1] ?? [],
  );
  return releases.reduce<string | undefined>(
    (newest, release) => (newest === undefined || isOlder(newest, release) ? release : newest),
    undefined,
  );
}

/** Compares Go versions; a release candidate or beta is older than its release. */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => {
    const [, major, minor, patch, pre] = /^(\d+)\.(\d+)(?:\.(\d+))?(rc|beta)?/.exec(text) ?? [];
    return [Number(major ?? 0), Number(minor ?? 0), pre === undefined ? Number(patch ?? 0) : -1];
  });
  const difference = a?.map((number, index) => number - (b?.[index] ?? 0)).find((by) => by !== 0) ?? 0;
  return difference < 0;
}
