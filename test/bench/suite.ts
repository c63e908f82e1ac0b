/** What is measured inside the extension host. */
import { cp } from 'node:fs/promises';
import * as vscode from 'vscode';
import { defaultOptions } from '../../src/core/scaffold/options.ts';
import { planScaffold } from '../../src/core/scaffold/plan.ts';
import { renderService } from '../../src/core/scaffold/render.ts';
import { writePlan } from '../../src/core/scaffold/write.ts';
import { localDisk } from '../../src/node.ts';
import { FolderFiles } from '../../src/vscode/folderFiles.ts';
import { ask, newChat, seenRequests } from '../host/chatView.ts';
import { extension, readText, workspaceFolder } from '../host/extension.ts';
import { ok } from '../host/registry.ts';
import { send } from '../host/wire.ts';

/** Milliseconds of one start of the extension host. */
export interface Sample {
  /** From the wish to activate the extension to the end of `activate()`, loading its code included. */
  readonly activate: number;
  /** From sending a question in chat to the model's first call. */
  readonly firstCall: number;
  /** From the wish to scaffold everything to the plan: reading and rendering the service, looking at the folder. */
  readonly plan: number;
  /** Writing that plan to the local disk. */
  readonly write: number;
  /** Copying the same files with Node's own recursive copy. */
  readonly copy: number;
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
  send({ activate, firstCall, ...(await scaffold()) } satisfies Sample);
  send('end');
}

/** The parts of the command that take time, without its questions. */
async function scaffold(): Promise<Pick<Sample, 'plan' | 'write' | 'copy'>> {
  const target = vscode.Uri.joinPath(workspaceFolder(), 'scaffolded');
  const files = new FolderFiles(target, { localDisk });
  const began = performance.now();
  const service = JSON.parse(await readText(vscode.Uri.joinPath(extension().extensionUri, 'dist/service.json')));
  const plan = await planScaffold(renderService(service, defaultOptions('example.com/acme/orders')), files);
  const planned = performance.now();
  await writePlan(plan, files, { isCancelled: () => false, onProgress: () => undefined });
  const written = performance.now();
  await cp(target.fsPath, `${target.fsPath}-copied`, { recursive: true });
  return { plan: planned - began, write: written - planned, copy: performance.now() - written };
}
