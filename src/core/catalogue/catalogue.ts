import type { Assets } from '../assets.ts';
import {
  FrontMatterError,
  type MarkdownDocument,
  mapList,
  parseDocument,
  stringField,
  stringList,
} from './frontMatter.ts';
import { sectionsOf } from './markdown.ts';

/** A word of a pattern's source that becomes a tab stop of its snippet. */
export interface TabStop {
  readonly find: string;
  /** If not empty, the values to choose from; the first is the source's own text. */
  readonly choices: readonly string[];
}

/** What patterns and topics have in common: something the catalogue can be asked for. */
export interface Entry {
  readonly kind: 'pattern' | 'topic';
  /** Folder name of a pattern, file name of a topic without its ending; unique in the catalogue. */
  readonly name: string;
  /** Name of the skill it belongs to. */
  readonly skill: string;
  /** Path of its Markdown file. */
  readonly path: string;
  readonly title: string;
  readonly summary: string;
  readonly keywords: readonly string[];
  /** What people say who have the problem and do not know its name. */
  readonly phrases: readonly string[];
  readonly body: string;
  /** The body split at its second-level headings. */
  readonly sections: ReadonlyMap<string, string>;
}

/** Verified Go for one architecture pattern, with the document that says when to use it. */
export interface Pattern extends Entry {
  readonly kind: 'pattern';
  readonly category: string;
  readonly prefix: string;
  readonly aliases: readonly string[];
  /** Oldest Go version the code compiles with, such as "1.22". */
  readonly goVersion: string;
  /** Module paths with versions, empty for standard library only. */
  readonly libraries: readonly string[];
  /** Names of the patterns it is used with. */
  readonly composes: readonly string[];
  readonly tabStops: readonly TabStop[];
  /** Path and text of the Go file. */
  readonly sourcePath: string;
  readonly source: string;
}

/** A field of knowledge that needs no code. */
export interface Topic extends Entry {
  readonly kind: 'topic';
}

/** A skill folder: which pattern when, and how they compose. */
export interface Skill {
  readonly name: string;
  readonly description: string;
  readonly path: string;
  readonly body: string;
}

/** Everything the extension knows, in the order of names. */
export interface Catalogue {
  readonly skills: readonly Skill[];
  readonly patterns: readonly Pattern[];
  readonly topics: readonly Topic[];
  /** Patterns and topics by name. */
  readonly entries: ReadonlyMap<string, Pattern | Topic>;
}

/**
 * Reads the catalogue from the text of its files (`snippets/<skill>/SKILL.md`,
 * `snippets/<skill>/<pattern>/pattern.md` with `<pattern>.go`, `snippets/<skill>/references/<topic>.md`).
 * @throws FrontMatterError that names the file if one is malformed.
 */
export function readCatalogue(assets: Assets): Catalogue {
  const skills: Skill[] = [];
  const patterns: Pattern[] = [];
  const topics: Topic[] = [];
  for (const path of Object.keys(assets).sort()) {
    const [root, skill, folder, file] = path.split('/');
    if (root !== 'snippets' || skill === undefined || !path.endsWith('.md')) {
      continue;
    }
    const document = parseDocument(path, assets[path] ?? '');
    if (folder === 'SKILL.md') {
      skills.push(readSkill(document));
    } else if (file === 'pattern.md') {
      patterns.push(readPattern(document, skill, assets));
    } else if (folder === 'references' && file !== undefined) {
      topics.push({ kind: 'topic', ...readEntry(document, skill, file.replace(/\.md$/, '')) });
    }
  }
  const entries = new Map<string, Pattern | Topic>();
  for (const entry of [...patterns, ...topics]) {
    const other = entries.get(entry.name);
    if (other) {
      throw new FrontMatterError(`${entry.path}: the name "${entry.name}" is taken by ${other.path}`);
    }
    entries.set(entry.name, entry);
  }
  return { skills, patterns, topics, entries };
}

function readSkill(document: MarkdownDocument): Skill {
  return {
    name: stringField(document, 'name'),
    description: stringField(document, 'description'),
    path: document.path,
    body: document.body,
  };
}

function readEntry(document: MarkdownDocument, skill: string, name: string): Omit<Entry, 'kind'> {
  return {
    name,
    skill,
    path: document.path,
    title: stringField(document, 'title'),
    summary: stringField(document, 'summary'),
    keywords: stringList(document, 'keywords'),
    phrases: stringList(document, 'phrases'),
    body: document.body,
    sections: sectionsOf(document.body),
  };
}

function readPattern(document: MarkdownDocument, skill: string, assets: Assets): Pattern {
  const name = stringField(document, 'name');
  const sourcePath = `snippets/${skill}/${name}/${name}.go`;
  const source = assets[sourcePath];
  if (source === undefined) {
    throw new FrontMatterError(`${document.path}: ${sourcePath} is missing`);
  }
  return {
    kind: 'pattern',
    ...readEntry(document, skill, name),
    category: stringField(document, 'category'),
    prefix: stringField(document, 'prefix'),
    aliases: stringList(document, 'aliases'),
    goVersion: stringField(document, 'go'),
    libraries: stringList(document, 'libraries'),
    composes: stringList(document, 'composes'),
    tabStops: mapList(document, 'tabStops', (item) => ({
      find: stringField(item, 'find'),
      choices: stringList(item, 'choices'),
    })),
    sourcePath,
    source,
  };
}
