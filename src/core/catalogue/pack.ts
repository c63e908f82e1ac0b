import type { Catalogue, Entry, Pattern, Skill, Topic } from './catalogue.ts';
import { sectionsOf } from './markdown.ts';

/** A catalogue as JSON: what the build parses, so that the extension need not. */
export interface PackedCatalogue {
  readonly skills: readonly Skill[];
  readonly patterns: readonly Omit<Pattern, 'sections'>[];
  readonly topics: readonly Omit<Topic, 'sections'>[];
}

/** Turns a catalogue into plain data; what follows from the rest is left out. */
export function packCatalogue({ skills, patterns, topics }: Catalogue): PackedCatalogue {
  return { skills, patterns: patterns.map(withoutSections), topics: topics.map(withoutSections) };
}

/** The catalogue that was packed. A body is split into its sections when they are first asked for. */
export function unpackCatalogue({ skills, ...packed }: PackedCatalogue): Catalogue {
  const patterns: Pattern[] = packed.patterns.map(withSections);
  const topics: Topic[] = packed.topics.map(withSections);
  const entries = new Map<string, Pattern | Topic>();
  for (const entry of [...patterns, ...topics]) {
    entries.set(entry.name, entry);
  }
  return { skills, patterns, topics, entries };
}

function withoutSections<T extends Entry>({ sections: _, ...entry }: T): Omit<T, 'sections'> {
  return entry;
}

function withSections<T extends Omit<Entry, 'sections'>>(entry: T): T & Pick<Entry, 'sections'> {
  let sections: Entry['sections'] | undefined;
  return {
    ...entry,
    get sections() {
      sections ??= sectionsOf(entry.body);
      return sections;
    },
  };
}
