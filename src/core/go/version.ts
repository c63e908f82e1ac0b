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

/** Whether a module version comes before another: the order of https://semver.org, build metadata aside. */
export function isOlderSemver(version: string, than: string): boolean {
  const [a, b] = [semverParts(version), semverParts(than)];
  if (a === undefined || b === undefined) {
    return a === undefined && b !== undefined;
  }
  const byNumber = a.numbers.map((number, index) => compareNumbers(number, b.numbers[index] ?? '0')).find(Boolean);
  if (byNumber !== undefined) {
    return byNumber < 0;
  }
  // A version with a pre-release part comes before the same without.
  if (a.pre.length === 0 || b.pre.length === 0) {
    return a.pre.length > 0 && b.pre.length === 0;
  }
  for (let index = 0; index < Math.max(a.pre.length, b.pre.length); index++) {
    const [one, other] = [a.pre[index], b.pre[index]];
    if (one === undefined || other === undefined) {
      return one === undefined;
    }
    if (one !== other) {
      const [numeric, otherNumeric] = [/^\d+$/.test(one), /^\d+$/.test(other)];
      return numeric && otherNumeric
        ? compareNumbers(one, other) < 0
        : numeric === otherNumeric
          ? one < other
          : numeric;
    }
  }
  return false;
}

function semverParts(version: string): { numbers: string[]; pre: string[] } | undefined {
  const [, major = '', minor = '0', patch = '0', pre] =
    /^v(0|[1-9]\d*)(?:\.(0|[1-9]\d*)(?:\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?)?)?$/.exec(version) ??
    [];
  return major === '' ? undefined : { numbers: [major, minor, patch], pre: pre?.split('.') ?? [] };
}

/** Numbers of any length without leading zeros: the longer is the larger. */
function compareNumbers(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}
