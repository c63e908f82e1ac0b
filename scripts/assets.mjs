// The extension's own texts, packed into two files so that each is one read, on disk and over the network.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Reads text files below a folder of the project.
 * @param {string} root the project's folder
 * @param {string} folder the folder to read, from the root, with forward slashes
 * @param {(path: string) => boolean} wanted which files, by their path from the root
 * @returns {Record<string, string>} path from the root -> text, in the order of paths
 */
function readTexts(root, folder, wanted) {
  /** @type {Record<string, string>} */
  const texts = {};
  const entries = readdirSync(path.join(root, folder), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const child = `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      Object.assign(texts, readTexts(root, child, wanted));
    } else if (wanted(child)) {
      texts[child] = readFileSync(path.join(root, child), 'utf8');
    }
  }
  return texts;
}

/**
 * The agent, the slash commands and the pattern catalogue.
 * @param {string} root the project's folder
 */
export function readCatalogueAssets(root) {
  return {
    ...readTexts(root, 'media/agent', (file) => file.endsWith('.md')),
    ...readTexts(root, 'media/commands', (file) => file.endsWith('.md')),
    ...readTexts(
      root,
      'snippets',
      (file) => file.endsWith('.md') || (file.endsWith('.go') && !file.endsWith('_test.go')),
    ),
  };
}

/**
 * The service that the scaffold lays down. What building it leaves behind is not part of it.
 * @param {string} root the project's folder
 */
export function readServiceAssets(root) {
  return {
    ...readTexts(root, 'media/service', (file) => !file.startsWith('media/service/bin/')),
    ...readTexts(root, 'media', (file) => file === 'media/service-modules.json'),
  };
}
