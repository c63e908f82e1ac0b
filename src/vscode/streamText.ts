import type * as vscode from 'vscode';

/** The user stopped the answer. */
export const CANCELLED = Symbol('cancelled');

/**
 * Passes a streamed answer on as it comes, and stops at the moment of cancellation, even if the model goes silent.
 * @returns the whole text, or CANCELLED; nothing is passed on after that.
 */
export async function streamText(
  chunks: AsyncIterable<string>,
  emit: (text: string) => void,
  token: vscode.CancellationToken,
): Promise<string | typeof CANCELLED> {
  let stop: vscode.Disposable | undefined;
  const cancelled = new Promise<typeof CANCELLED>((resolve) => {
    stop = token.onCancellationRequested(() => resolve(CANCELLED));
  });
  const iterator = chunks[Symbol.asyncIterator]();
  let text = '';
  try {
    while (!token.isCancellationRequested) {
      const next = await Promise.race([iterator.next(), cancelled]);
      if (next === CANCELLED) {
        break;
      }
      if (next.done) {
        return text;
      }
      text += next.value;
      emit(next.value);
    }
  } finally {
    stop?.dispose();
  }
  // Not awaited: a silent model would keep its iterator open. A late fault of it is nobody's any more.
  void Promise.resolve(iterator.return?.()).catch(() => undefined);
  return CANCELLED;
}
