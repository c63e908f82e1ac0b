import * as vscode from 'vscode';
import type { Assets } from '../core/assets.ts';
import { type Catalogue, readCatalogue } from '../core/catalogue/catalogue.ts';
import { parseDocument } from '../core/catalogue/frontMatter.ts';
import { CatalogueSearch } from '../core/catalogue/search.ts';
import { type Commands, readCommands } from '../core/chat/commands.ts';

/** What the chat knows: the agent's instructions, the slash commands and the catalogue. */
export interface Knowledge {
  readonly instructions: string;
  readonly commands: Commands;
  readonly catalogue: Catalogue;
  readonly search: CatalogueSearch;
}

/** The extension's own texts, packed into one file each by the build; read at the first use. */
export class ExtensionAssets {
  readonly #extensionUri: vscode.Uri;
  #knowledge: Promise<Knowledge> | undefined;
  #service: Promise<Assets> | undefined;

  constructor(extensionUri: vscode.Uri) {
    this.#extensionUri = extensionUri;
  }

  /** The agent, the commands and the catalogue. */
  knowledge(): Promise<Knowledge> {
    this.#knowledge ??= this.#read('dist/catalogue.json')
      .then((assets) => {
        const catalogue = readCatalogue(assets);
        const agent = 'media/agent/go-architect.agent.md';
        return {
          instructions: parseDocument(agent, assets[agent] ?? '').body,
          commands: readCommands(assets),
          catalogue,
          search: new CatalogueSearch(catalogue),
        };
      })
      // A connection that broke once may hold the next time.
      .catch((error: unknown) => {
        this.#knowledge = undefined;
        throw error;
      });
    return this.#knowledge;
  }

  /** The files of media/service. */
  service(): Promise<Assets> {
    this.#service ??= this.#read('dist/service.json').catch((error: unknown) => {
      this.#service = undefined;
      throw error;
    });
    return this.#service;
  }

  async #read(path: string): Promise<Assets> {
    const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(this.#extensionUri, path));
    return JSON.parse(new TextDecoder().decode(bytes)) as Assets;
  }
}
