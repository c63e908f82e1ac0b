// The rules of CheckPath in golang.org/x/mod/module, with messages for the person who types the path.

/** Whether Windows reserves a file name, with whatever ending: "con", "aux.go". */
export function isReservedOnWindows(name: string): boolean {
  return /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i.test(name);
}

/**
 * Says what is wrong with a Go module path, or undefined if nothing is.
 * Rules: https://go.dev/ref/mod#go-mod-file-ident and CheckPath in golang.org/x/mod/module.
 */
export function modulePathProblem(path: string): string | undefined {
  if (path === '') {
    return 'Enter a module path such as github.com/acme/orders.';
  }
  const elements = path.split('/');
  const first = elements[0] ?? '';
  if (first === '') {
    return 'A module path must not start with a slash.';
  }
  if (elements.at(-1) === '') {
    return 'A module path must not end with a slash.';
  }
  for (const element of elements) {
    const problem = elementProblem(element);
    if (problem !== undefined) {
      return problem;
    }
  }
  if (first.startsWith('-')) {
    return 'A module path must not start with a dash.';
  }
  if (!/^[a-z0-9.-]+$/.test(first)) {
    return `"${first}" must hold only lower-case letters, digits, dots and dashes: it is read as a host name.`;
  }
  if (!first.includes('.')) {
    return `"${first}" must be a host name with a dot, such as github.com or example.com.`;
  }
  return versionProblem(path, elements);
}

function elementProblem(element: string): string | undefined {
  if (element === '') {
    return 'A module path must not hold two slashes in a row.';
  }
  const wrong = /[^A-Za-z0-9._~-]/u.exec(element);
  if (wrong) {
    return `"${wrong[0]}" must not stand in a module path: only letters, digits, and - . _ ~ may.`;
  }
  if (element.startsWith('.') || element.endsWith('.')) {
    return `"${element}" must not start or end with a dot.`;
  }
  if (isReservedOnWindows(element)) {
    return `"${element}" is a reserved file name on Windows.`;
  }
  if (/~[0-9]+$/.test(element.split('.')[0] ?? '')) {
    return `"${element}" must not end in a tilde and digits: Windows reads that as a short file name.`;
  }
  return undefined;
}

// SplitPathVersion: a last element /vN is a major version, which is 2 or more and has no leading zero.
function versionProblem(path: string, elements: readonly string[]): string | undefined {
  const last = elements.at(-1) ?? '';
  if (elements[0] === 'gopkg.in') {
    return /\.v(0|[1-9][0-9]*)(-unstable)?$/.test(path)
      ? undefined
      : 'A gopkg.in path must end in a version such as .v1.';
  }
  if (elements.length > 1 && /^v[0-9.]+$/.test(last) && !/^v([2-9]|[1-9][0-9]+)$/.test(last)) {
    return `"${last}" is not a major version: a path ends in /v2 or higher, or in no version.`;
  }
  return undefined;
}

/** The service's own name: the last element of its module path that is not a version, fit for a DNS label. */
export function serviceName(modulePath: string): string {
  const elements = modulePath.split('/');
  const last = elements.length > 1 && /^v[0-9]+$/.test(elements.at(-1) ?? '') ? elements.at(-2) : elements.at(-1);
  const name = (last ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '');
  return name || 'service';
}
