import * as vscode from 'vscode';

// Shorter than this, a notification would only flicker.
const PATIENCE = 500;
const LATE = Symbol('late');

/**
 * Runs a task that is quick on a local disk; where it is not, shows its progress and lets it be cancelled.
 * @throws vscode.CancellationError at once when it is cancelled.
 */
export async function cancellableIfSlow<T>(title: string, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const running = task(abort.signal);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<typeof LATE>((resolve) => {
    timer = setTimeout(() => resolve(LATE), PATIENCE);
  });
  try {
    const first = await Promise.race([running, late]);
    if (first !== LATE) {
      return first;
    }
    const location = vscode.ProgressLocation.Notification;
    return await vscode.window.withProgress({ location, title, cancellable: true }, (_, stop) => {
      // A file system that has gone silent answers no signal.
      const cancelled = new Promise<never>((_resolve, reject) => {
        stop.onCancellationRequested(() => {
          abort.abort(new vscode.CancellationError());
          reject(abort.signal.reason);
        });
      });
      return Promise.race([running, cancelled]);
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a task that stops when a token is cancelled. @throws vscode.CancellationError then. */
export async function stoppedBy<T>(
  token: vscode.CancellationToken,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const listening = token.onCancellationRequested(() => abort.abort(new vscode.CancellationError()));
  try {
    return await task(abort.signal);
  } finally {
    listening.dispose();
  }
}
