/** What is measured inside the extension host. */
import { ask, newChat, seenRequests } from '../host/chatView.ts';
import { extension } from '../host/extension.ts';
import { ok } from '../host/registry.ts';
import { send } from '../host/wire.ts';

/** Milliseconds of one start of the extension host. */
export interface Sample {
  /** From the wish to activate the extension to the end of `activate()`, loading its code included. */
  readonly activate: number;
  /** From sending a question in chat to the model's first call. */
  readonly firstCall: number;
}

/** Measures once and sends the sample. */
export async function run(): Promise<void> {
  ok(!extension().isActive, 'something has activated the extension already');
  const began = performance.now();
  await extension().activate();
  const activate = performance.now() - began;
  // The first question also reads the catalogue from disk, which is done once.
  await newChat();
  const asked = Date.now();
  const { errorDetails } = await ask({ query: '@go-architect /design where do retries belong? [script: answer]' });
  ok(!errorDetails, `the question failed: ${errorDetails?.message}`);
  const firstCall = ((await seenRequests()).at(-1)?.at ?? Number.NaN) - asked;
  send({ activate, firstCall } satisfies Sample);
  send('end');
}
