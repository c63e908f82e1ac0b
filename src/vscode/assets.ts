import * as vscode from 'vscode';
import type { Assets } from '../core/assets.ts';
import { type Knowledge, type PackedKnowledge, unpackKnowledge } from '../core/chat/knowledge.ts';

export type { Knowledge };

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
    this.#knowledge ??= this.#read<PackedKnowledge>('dist/catalogue.json')
      .then(unpackKnowledge)
      // A connection that broke once may hold the next time.
      .catch((error: unknown) => {
        this.#knowledge = undefined;
        throw error;
      });
    return this.#knowledge;
  }

  /** The files of media/service. */
  service(): Promise<Assets> {
    this.#service ??= this.#read<Assets>('dist/service.json').catch((error: unknown) => {
      this.#service = undefined;
      throw error;
    });
    return this.#service;
  }

  async #read<T>(path: string): Promise<T> {
    const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(this.#extensionUri, path));
    return JSON.parse(new TextDecoder().decode(bytes)) as T;
  }
}
