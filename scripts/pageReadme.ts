/**
 * README.md as the extension's page shows it. That page cannot load a picture or open a file of this repository, as long
 * as it has no public address, so pictures are left out and links to files become their text.
 */
export function pageReadme(readme: string): string {
  return readme
    .replace(/^!\[[^\]\n]*\]\((?!https:)[^)\n]*\)\n\n?/gm, '')
    .replace(/(?<!!)\[([^\]\n]*)\]\((?!https:|#)[^)\n]*\)/g, '$1');
}
