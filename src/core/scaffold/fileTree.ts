/** A file or folder with what is in it, as chat shows it. */
export interface FileTree {
  name: string;
  children?: FileTree[];
}

/** Builds a tree from paths; folders first, each level in the order of names. */
export function fileTree(paths: readonly string[]): FileTree[] {
  const root: FileTree[] = [];
  for (const path of paths) {
    let level = root;
    const parts = path.split('/');
    parts.forEach((name, index) => {
      const isFolder = index < parts.length - 1;
      let node = level.find((other) => other.name === name && (other.children !== undefined) === isFolder);
      if (!node) {
        node = isFolder ? { name, children: [] } : { name };
        level.push(node);
      }
      level = node.children ?? level;
    });
  }
  return sorted(root);
}

/** The files of a tree, without the folders that they stand in. */
export function filesIn<Node extends { readonly children?: readonly Node[] }>(nodes: readonly Node[]): Node[] {
  return nodes.flatMap((node) => (node.children ? filesIn(node.children) : [node]));
}

function sorted(nodes: FileTree[]): FileTree[] {
  return nodes
    .sort((a, b) => Number(a.children === undefined) - Number(b.children === undefined) || (a.name < b.name ? -1 : 1))
    .map((node) => (node.children ? { ...node, children: sorted(node.children) } : node));
}
