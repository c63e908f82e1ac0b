import { readCatalogueAssets, readServiceAssets } from '../../../scripts/assets.mjs';
import { readCatalogue } from '../../../src/core/catalogue/catalogue.ts';
import { CatalogueSearch } from '../../../src/core/catalogue/search.ts';
import { readCommands } from '../../../src/core/chat/commands.ts';

/** The extension's own texts, read from the project as the build packs them. */
export const assets = readCatalogueAssets('.');
export const serviceAssets = readServiceAssets('.');
export const catalogue = readCatalogue(assets);
export const search = new CatalogueSearch(catalogue);
export const commands = readCommands(assets);
