import { expect, test } from 'vitest';
import { CANCELLED, streamText } from '../../src/vscode/streamText.ts';
import { FakeToken } from './support/fakeToken.ts';

async function* chunks(...texts: string[]) {
  yield* texts;
}

test('passes chunks on as they come and returns the whole', async () => {
  const emitted: string[] = [];
  expect(await streamText(chunks('a', 'b'), (text) => emitted.push(text), new FakeToken())).toBe('ab');
  expect(emitted).toEqual(['a', 'b']);
});

test('stops at once when cancelled, even if the model never speaks again', async () => {
  const token = new FakeToken();
  const emitted: string[] = [];
  let closed = false;
  const silent: AsyncIterable<string> = {
    [Symbol.asyncIterator]: () => {
      let first = true;
      return {
        next: () => {
          if (first) {
            first = false;
            return Promise.resolve({ done: false, value: 'partial' });
          }
          queueMicrotask(() => token.cancel());
          return new Promise(() => undefined);
        },
        return: () => {
          closed = true;
          return Promise.reject(new Error('late fault'));
        },
      };
    },
  };
  expect(await streamText(silent, (text) => emitted.push(text), token)).toBe(CANCELLED);
  expect(emitted).toEqual(['partial']);
  expect(closed).toBe(true);
  expect(token.listeners).toBe(0);
});

test('emits nothing when cancelled before the first chunk', async () => {
  const token = new FakeToken();
  token.cancel();
  const emitted: string[] = [];
  expect(await streamText(chunks('a'), (text) => emitted.push(text), token)).toBe(CANCELLED);
  expect(emitted).toEqual([]);
});

test('a fault of the model reaches the caller, and the listener is gone', async () => {
  const token = new FakeToken();
  async function* failing() {
    yield 'a';
    throw new Error('quota');
  }
  await expect(streamText(failing(), () => undefined, token)).rejects.toThrow('quota');
  expect(token.listeners).toBe(0);
});
