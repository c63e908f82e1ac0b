/** What is measured inside the extension host. */
import { cp } from 'node:fs/promises';
import * as vscode from 'vscode';
import { defaultOptions } from '../../src/core/scaffold/options.ts';
import { planScaffold } from '../../src/core/scaffold/plan.ts';
import { renderService } from '../../src/core/scaffold/render.ts';
import { writePlan } from '../../src/core/scaffold/write.ts';
import { localDisk } from '../../src/node.ts';
import { ExtensionAssets } from '../../src/vscode/assets.ts';
import { FolderFiles } from '../../src/vscode/folderFiles.ts';
import { ask, newChat, seenRequests } from '../host/chatView.ts';
import { extension, readText, workspaceFolder } from '../host/extension.ts';
import { ok } from '../host/registry.ts';
import { send } from '../host/wire.ts';

/** What passed on the clock, and what of it this process computed: on a busy machine only the latter tells something. */
export interface Spent {
  readonly clock: number;
  readonly processor: number;
}

/** Milliseconds of one start of the extension host. */
export interface Sample {
  /** From the wish to activate the extension to the end of `activate()`, loading its code included. */
  readonly activate: Spent;
  /** The same for an extension that does nothing. */
  readonly activateEmpty: Spent;
  /** From the first wish for what chat knows to having it: agent, commands, catalogue and search. */
  readonly knowledge: Spent;
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
  const empty = vscode.extensions.getExtension('go-architect-test.empty');
  ok(empty, 'the empty extension is not installed');
  // Who comes first pays for what both need, so the runs take turns.
  const emptyFirst = vscode.workspace.getConfiguration('bench').get<boolean>('emptyFirst');
  const before = emptyFirst ? await spent(() => empty.activate()) : undefined;
  const activate = await spent(() => extension().activate());
  const activateEmpty = before ?? (await spent(() => empty.activate()));
  const knowledge = await spent(() => new ExtensionAssets(extension().extensionUri).knowledge());
  await newChat();
  const asked = Date.now();
  const { errorDetails } = await ask({ query: '@go-architect /design where do retries belong? [script: answer]' });
  ok(!errorDetails, `the question failed: ${errorDetails?.message}`);
  const firstCall = ((await seenRequests()).at(-1)?.at ?? Number.NaN) - asked;
  send({ activate, activateEmpty, knowledge, firstCall, ...(await scaffold()) } satisfies Sample);
  send('end');
}

async function spent(act: () => Thenable<unknown>): Promise<Spent> {
  const [began, used] = [performance.now(), process.cpuUsage()];
  await act();
  const { user, system } = process.cpuUsage(used);
  return { clock: performance.now() - began, processor: (user + system) / 1000 };
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
