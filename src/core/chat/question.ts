import type { Catalogue } from '../catalogue/catalogue.ts';
import type { CatalogueSearch } from '../catalogue/search.ts';
import type { WorkspaceFacts } from '../workspace/facts.ts';
import type { Command, Commands } from './commands.ts';

/** A question to the catalogue. */
export interface Question {
  readonly command: Command | undefined;
  readonly request: string;
  readonly facts: WorkspaceFacts;
  /** The date that a decision record carries, as YYYY-MM-DD. */
  readonly today: string;
}

/** What the chat answers from. */
export interface Library {
  readonly commands: Commands;
  readonly catalogue: Catalogue;
  readonly search: CatalogueSearch;
}
