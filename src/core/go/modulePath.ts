// The rules of golang.org/x/mod/module and of the go command, with messages for the person who types the path.

/** Whether Go refuses an element of a path because Windows reserves it, with whatever ending: "con", "aux.go". */
function isReserved(element: string): boolean {
  return /^(con|prn|aux|nul|com[1-9]|lpt[1-9])(\.|$)/i.test(element);
}

/**
 * Says why the packages of a module with this path cannot be built, or undefined if they can: the least that holds for
 * a module that exists. Rules: CheckImportPath in golang.org/x/mod/module, and what the go command refuses to load.
 */
export function existingPathProblem(path: string): string | undefined {
  if (path === '') {
    return 'Enter a module path such as github.com/acme/orders.';
  }
  const elements = path.split('/');
  if (elements[0] === '') {
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
  const wrong = /^[^A-Za-z0-9._]/.exec(path);
  if (wrong) {
    return `A module path must not start with "${wrong[0]}".`;
  }
  if (elements.includes('vendor')) {
    return 'A module path must not hold the element "vendor": Go imports no package from such a folder.';
  }
  if (elements[0] === 'mod' || path === 'go' || path === 'toolchain') {
    return `Go keeps the module path "${elements[0]}" to itself.`;
  }
  return undefined;
}

/**
 * Says what is wrong with the path of a new module, or undefined if nothing is. It needs no dot: what `go mod init`
 * takes is taken.
 */
export function modulePathProblem(path: string): string | undefined {
  return existingPathProblem(path) ?? versionProblem(path);
}

/** Says why nobody could download a module of this path, or undefined: CheckPath in golang.org/x/mod/module. */
export function publishedPathProblem(path: string): string | undefined {
  const problem = modulePathProblem(path);
  if (problem !== undefined) {
    return problem;
  }
  const elements = path.split('/');
  const first = elements[0] ?? '';
  if (!/^[a-z0-9.-]+$/.test(first)) {
    return `"${first}" must hold only lower-case letters, digits, dots and dashes: it is read as a host name.`;
  }
  if (!first.includes('.')) {
    return `"${first}" must be a host name with a dot, such as github.com or example.com.`;
  }
  const wrong = elements.find((element) => element.startsWith('.') || element.includes('+'));
  return wrong === undefined ? undefined : `"${wrong}" must not start with a dot or hold a plus.`;
}

function elementProblem(element: string): string | undefined {
  if (element === '') {
    return 'A module path must not hold two slashes in a row.';
  }
  const wrong = /[^A-Za-z0-9._~+-]/u.exec(element);
  if (wrong) {
    return `"${wrong[0]}" must not stand in a module path: only letters, digits, and - . _ ~ + may.`;
  }
  if (element.endsWith('.')) {
    return `"${element}" must not end with a dot.`;
  }
  if (isReserved(element)) {
    return `"${element}" is a reserved file name on Windows.`;
  }
  const short = element.split('.')[0] ?? '';
  if (/~[0-9]+$/.test(short)) {
    return `"${element}" must not end in a tilde and digits: Windows reads that as a short file name.`;
  }
  return undefined;
}

// SplitPathVersion: a last element /vN is a major version, which is 2 or more and has no leading zero.
function versionProblem(path: string): string | undefined {
  if (path.startsWith('gopkg.in/')) {
    return /\.v(0|[1-9][0-9]*)(-unstable)?$/.test(path)
      ? undefined
      : 'A gopkg.in path must end in a version such as .v1.';
  }
  const elements = path.split('/');
  const last = elements.at(-1) ?? '';
  if (elements.length > 1 && /^v[0-9.]+$/.test(last) && !/^v([2-9]|[1-9][0-9]+)$/.test(last)) {
    return `"${last}" is not a major version: a path ends in /v2 or higher, or in no version.`;
  }
  return undefined;
}

// Room for a suffix such as "-migrate" and what Kubernetes adds to the names of pods, within 63.
const MAX_NAME = 40;

/**
 * The service's own name: the last element of its module path that is not a version, fit for a DNS label that begins
 * with a letter, as Kubernetes wants it of a Service.
 */
export function serviceName(modulePath: string): string {
  const elements = modulePath.split('/');
  const last = elements.length > 1 && /^v[0-9]+$/.test(elements.at(-1) ?? '') ? elements.at(-2) : elements.at(-1);
  const words = (last ?? '')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean);
  const name = (/^[a-z]/.test(words[0] ?? '') ? words : ['service', ...words]).join('-');
  // A cut may fall behind a dash.
  return name.slice(0, MAX_NAME).split('-').filter(Boolean).join('-');
}
