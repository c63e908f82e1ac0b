/** The extension's own text files: path from the extension's root, with forward slashes -> text. */
export type Assets = Readonly<Record<string, string>>;
