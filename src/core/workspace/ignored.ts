/** The folders that a go.mod tells Go to ignore (https://go.dev/ref/mod#go-mod-file-ignore), as written there. */
export function ignoredFolders(goMod: string): readonly string[] {
  const folders: string[] = [];
  let isBlock = false;
  for (const raw of goMod.split('\n')) {
    const comment = raw.indexOf('//');
    const line = (comment < 0 ? raw : raw.slice(0, comment)).trim();
    if (isBlock) {
      if (line === ')') {
        isBlock = false;
      } else if (line !== '') {
        folders.push(unquoted(line));
      }
    } else if (line.startsWith('ignore')) {
      const rest = line.slice('ignore'.length);
      const value = rest.trim();
      if (value === '(') {
        isBlock = true;
      } else if (value !== '' && value !== rest) {
        folders.push(unquoted(value));
      }
    }
  }
  return folders;
}

/**
 * Whether Go takes a folder for no package of its module: below a part that begins with `_` or `.`, testdata or vendor
 * (`go help packages`), or ignored in go.mod: "./x" at the root of the module, "x" anywhere.
 * @param folder from the module's root with forward slashes; "." is the root.
 */
export function isIgnored(folder: string, ignored: readonly string[]): boolean {
  if (folder === '.') {
    return false;
  }
  const parts = folder.split('/');
  if (parts.some((part) => /^[_.]/.test(part) || part === 'testdata' || part === 'vendor')) {
    return true;
  }
  return ignored.some((path) =>
    path.startsWith('./') ? `${folder}/`.startsWith(`${path.slice(2)}/`) : `/${folder}/`.includes(`/${path}/`),
  );
}

function unquoted(text: string): string {
  const quoted = text.length > 1 && /^["`]/.test(text) && text.at(-1) === text[0];
  return (quoted ? text.slice(1, -1) : text).replace(/\/$/, '');
}
