/**
 * Whether Go takes a folder for no package of its module: below a part that begins with `_` or `.`, testdata or vendor
 * (`go help packages`), or ignored in go.mod (https://go.dev/ref/mod#go-mod-file-ignore): "./x" at the root of the
 * module, "x" anywhere.
 * @param folder from the module's root with forward slashes; "." is the root.
 * @param ignores what the go.mod says, as written there.
 */
export function isIgnored(folder: string, ignores: readonly string[]): boolean {
  if (folder === '.') {
    return false;
  }
  const parts = folder.split('/');
  if (parts.some((part) => /^[_.]/.test(part) || part === 'testdata' || part === 'vendor')) {
    return true;
  }
  return ignores.some((written) => {
    const path = written.endsWith('/') ? written.slice(0, -1) : written;
    return path.startsWith('./') ? `${folder}/`.startsWith(`${path.slice(2)}/`) : `/${folder}/`.includes(`/${path}/`);
  });
}
