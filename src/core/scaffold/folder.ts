/** The longest name of a file or folder that common file systems take, in bytes. */
const MAX_NAME = 255;

/**
 * Says what is wrong with the path of a new folder below a workspace folder, or undefined if nothing is: it must be a
 * folder of its own on Windows, macOS and Linux alike.
 */
export function folderPathProblem(path: string): string | undefined {
  if (path.trim() === '') {
    return 'Enter a folder, such as services/orders.';
  }
  if (/^([/\\]|[A-Za-z]:)/.test(path)) {
    return 'Enter a path below the workspace folder: it must not start with a slash or a drive.';
  }
  for (const part of path.split('/')) {
    const problem = partProblem(part);
    if (problem !== undefined) {
      return problem;
    }
  }
  return undefined;
}

/** A folder as people and models write it, without "./" before and a slash behind it; empty for the root itself. */
export function tidyFolder(path: string): string {
  const tidy = path
    .trim()
    .replace(/^\.\//, '')
    .replace(/(?<=[^/])\/$/, '');
  return tidy === '.' ? '' : tidy;
}

function partProblem(part: string): string | undefined {
  if (part === '' || part === '.' || part === '..') {
    return 'The path must not hold empty parts, "." or "..".';
  }
  if (new TextEncoder().encode(part).length > MAX_NAME) {
    return `"${part.slice(0, 20)}…" is too long: a folder name has at most ${MAX_NAME} bytes.`;
  }
  // Control and invisible characters: macOS passes over some of them, so that ".git" can hide behind one.
  if (/[\\:*?"<>|\p{Cc}\p{Cf}\p{Cs}]/u.test(part) || /[. ]$/.test(part) || part.startsWith(' ')) {
    return `"${part}" is not a folder name that works everywhere: leave out \\ : * ? " < > |, invisible characters, and dots or spaces at the end.`;
  }
  if (isReservedOnWindows(part)) {
    return `"${part}" is a reserved file name on Windows.`;
  }
  // "git~1" is its short name on Windows.
  return /^(\.git|git~\d+)$/i.test(part) ? `"${part}" belongs to Git.` : undefined;
}

/**
 * Whether Windows reserves a file name, with whatever ending and spaces before it: "con", "aux.go", "nul .txt", "COM¹"
 * (https://learn.microsoft.com/windows/win32/fileio/naming-a-file).
 */
function isReservedOnWindows(name: string): boolean {
  const [before = ''] = name.split('.', 1);
  return /^(con|prn|aux|nul|com[1-9¹²³]|lpt[1-9¹²³]|conin\$|conout\$)$/i.test(before.trimEnd());
}
