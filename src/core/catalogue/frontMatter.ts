import matter from 'gray-matter';

/** Front matter that cannot be used; the message names the file and what is wrong with it. */
export class FrontMatterError extends Error {
  override readonly name = 'FrontMatterError';
}

/** A Markdown file split into its front matter and the text below it. */
export interface MarkdownDocument {
  /** The path it was read from, for messages. */
  readonly path: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** The text below the front matter, trimmed. */
  readonly body: string;
}

// gray-matter evaluates `---js` front matter by default; every engine that runs code is replaced by one that refuses.
const refuse = (): never => {
  throw new Error('front matter that runs code is refused');
};
const engines = Object.fromEntries(
  ['js', 'javascript', 'coffee', 'coffeescript', 'cson'].map((language) => [
    language,
    { parse: refuse, stringify: refuse },
  ]),
);

/**
 * Splits a Markdown file into front matter (YAML) and body.
 * @param path names the file in errors.
 * @throws FrontMatterError if the front matter is malformed, is not a map, or asks for a language that runs code.
 */
export function parseDocument(path: string, text: string): MarkdownDocument {
  let parsed: { data: unknown; content: string };
  try {
    // Options are always passed: without them gray-matter caches, and returns {} the second time it sees a malformed file.
    parsed = matter(text, { language: 'yaml', engines });
  } catch (error) {
    throw new FrontMatterError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const { data, content } = parsed;
  if (data === null || typeof data !== 'object' || Array.isArray(data)) {
    throw new FrontMatterError(`${path}: front matter must be a map of keys to values`);
  }
  return { path, data: data as Record<string, unknown>, body: content.trim() };
}

/** Reads a required, non-empty string. */
export function stringField(document: MarkdownDocument, key: string): string {
  const value = document.data[key];
  if (typeof value !== 'string' || value.trim() === '') {
    throw new FrontMatterError(`${document.path}: "${key}" must be a non-empty string`);
  }
  return value.trim();
}

/** Reads a list of strings; a number is taken as its digits, and a missing key is an empty list. */
export function stringList(document: MarkdownDocument, key: string): readonly string[] {
  const value = document.data[key] ?? [];
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string' || typeof item === 'number')) {
    throw new FrontMatterError(`${document.path}: "${key}" must be a list of strings`);
  }
  return value.map(String);
}

/** Reads a list of maps, each turned into a T by `read`; a missing key is an empty list. */
export function mapList<T>(document: MarkdownDocument, key: string, read: (item: MarkdownDocument) => T): readonly T[] {
  const value = document.data[key] ?? [];
  if (!Array.isArray(value) || !value.every((item) => item !== null && typeof item === 'object')) {
    throw new FrontMatterError(`${document.path}: "${key}" must be a list of maps`);
  }
  return value.map((data, index) => read({ path: `${document.path}: ${key}[${index}]`, data, body: '' }));
}
