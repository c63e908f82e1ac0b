import * as vscode from 'vscode';

/** The extension's log on the user's machine. Its channel is created at the first line: activation writes none. */
export class Log implements vscode.Disposable {
  #channel: vscode.LogOutputChannel | undefined;

  info(message: string): void {
    this.#opened().info(message);
  }

  /** @param fault whatever was thrown. */
  error(fault: unknown): void {
    this.#opened().error(fault instanceof Error ? fault : String(fault));
  }

  show(): void {
    this.#opened().show();
  }

  dispose(): void {
    this.#channel?.dispose();
  }

  #opened(): vscode.LogOutputChannel {
    this.#channel ??= vscode.window.createOutputChannel('Go Architect', { log: true });
    return this.#channel;
  }
}
