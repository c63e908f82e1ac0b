import type { Catalogue } from '../catalogue/catalogue.ts';
import { type PackedCatalogue, unpackCatalogue } from '../catalogue/pack.ts';
import { CatalogueSearch } from '../catalogue/search.ts';
import type { Command, Commands } from './commands.ts';

/** What the chat knows: the agent's instructions, the slash commands and the catalogue. */
export interface Knowledge {
  readonly instructions: string;
  readonly commands: Commands;
  readonly catalogue: Catalogue;
  readonly search: CatalogueSearch;
}

/** The same as JSON, which the build writes to dist/catalogue.json. */
export interface PackedKnowledge {
  readonly instructions: string;
  readonly commands: readonly Command[];
  readonly catalogue: PackedCatalogue;
}

/** Makes what was packed usable; the search is built when it is first wanted, which completion never does. */
export function unpackKnowledge({ instructions, commands, ...packed }: PackedKnowledge): Knowledge {
  const catalogue = unpackCatalogue(packed.catalogue);
  let search: CatalogueSearch | undefined;
  return {
    instructions,
    commands: new Map(commands.map((command) => [command.name, command])),
    catalogue,
    get search() {
      search ??= new CatalogueSearch(catalogue);
      return search;
    },
  };
}
