import type * as vscode from 'vscode';

/** A cancellation token that a test cancels itself. */
export class FakeToken implements vscode.CancellationToken {
  isCancellationRequested = false;
  readonly #callbacks = new Set<(event: unknown) => unknown>();

  get listeners(): number {
    return this.#callbacks.size;
  }

  readonly onCancellationRequested = (listener: (event: unknown) => unknown): vscode.Disposable => {
    this.#callbacks.add(listener);
    return { dispose: () => this.#callbacks.delete(listener) } as unknown as vscode.Disposable;
  };

  cancel(): void {
    this.isCancellationRequested = true;
    for (const callback of this.#callbacks) {
      callback(undefined);
    }
  }
}
