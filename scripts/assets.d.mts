export function readCatalogueAssets(root: string): Record<string, string>;
export function readServiceAssets(root: string): Record<string, string>;
