import * as vscode from 'vscode';
import { modulePathProblem } from '../core/go/modulePath.ts';
import { folderPathProblem } from '../core/scaffold/folder.ts';
import { decodeOptions } from '../core/scaffold/options.ts';
import { chooseRoot } from '../core/scaffold/place.ts';
import { gapText, topLevelList } from '../core/scaffold/report.ts';
import { existingModule, fitToModule } from '../core/scaffold/suggest.ts';
import { count } from '../core/words.ts';
import { stoppedBy } from './cancellable.ts';
import { FolderFiles, type Platform } from './folderFiles.ts';
import { folderName } from './folderName.ts';
import type { Scaffolder } from './scaffold.ts';
import { inTarget, type ScaffoldAnswers, targetUri } from './scaffoldInput.ts';

/** What the model passes; checked here, since a model can pass anything. */
type Input = Readonly<Record<string, unknown>>;

/** Registers the tool by which agent mode scaffolds a service, after the user has confirmed what will be written. */
export function registerScaffoldTool(scaffolder: Scaffolder, platform: Platform): vscode.Disposable[] {
  if (!vscode.lm?.registerTool) {
    return [];
  }
  const tool: vscode.LanguageModelTool<Input> = {
    async prepareInvocation({ input }, token) {
      const answers = await answersOf(input, platform);
      if (typeof answers === 'string') {
        return { invocationMessage: 'Checking what to scaffold' };
      }
      const { create, skip } = await stoppedBy(token, (signal) => scaffolder.plan(answers, signal));
      const folder = folderName(targetUri(answers.target));
      const list = topLevelList(create.map(({ path }) => inTarget(answers.target, path)));
      const skipped =
        skip.length === 0 ? [] : ['', `What exists already is left alone: ${count(skip.length, 'file')}.`];
      return {
        invocationMessage: `Scaffolding ${answers.options.modulePath}`,
        confirmationMessages: {
          title: 'Scaffold a Go service',
          message: new vscode.MarkdownString(
            [`Create ${count(create.length, 'file')} in \`${folder}\`:`, '', ...list, ...skipped].join('\n'),
          ),
        },
      };
    },
    async invoke({ input }, token) {
      const answers = await answersOf(input, platform);
      if (typeof answers === 'string') {
        return say(answers);
      }
      const plan = await stoppedBy(token, (signal) => scaffolder.plan(answers, signal));
      const lacks = gapText(await scaffolder.goModGap(answers, plan));
      const { files, skipped } = await scaffolder.write(answers, plan, token);
      return say(
        [
          `Created ${count(files.length, 'file')} of module ${answers.options.modulePath}.`,
          skipped.length === 0 ? '' : `These existed and were left alone: ${skipped.join(', ')}.`,
          lacks === undefined ? '' : `${lacks} "go mod tidy" adds it.`,
          'Build with "go build ./...", test with "go test ./...", start with "go run ./cmd/server".',
        ]
          .filter(Boolean)
          .join(' '),
      );
    },
  };
  return [vscode.lm.registerTool('goArchitect_scaffoldService', tool)];
}

function say(text: string): vscode.LanguageModelToolResult {
  return new vscode.LanguageModelToolResult([new vscode.LanguageModelTextPart(text)]);
}

/** Where and what to scaffold, or what is wrong with the input and what to do about it, for the model. */
async function answersOf(input: Input, platform: Platform): Promise<ScaffoldAnswers | string> {
  if (!vscode.workspace.isTrusted) {
    return 'The workspace is in Restricted Mode, so nothing is written. Ask the user to trust it.';
  }
  const options = decodeOptions(input);
  const problem = modulePathProblem(options.modulePath);
  if (problem !== undefined) {
    return `modulePath: ${problem}`;
  }
  const folder = typeof input.folder === 'string' ? input.folder.replace(/^\.\/?|\/$/g, '') : '';
  const folderProblem = folder === '' ? undefined : folderPathProblem(folder);
  if (folderProblem !== undefined) {
    return `folder: ${folderProblem}`;
  }
  const roots = vscode.workspace.workspaceFolders ?? [];
  const chosen = chooseRoot(
    roots.map(({ name }) => name),
    input.workspaceFolder,
  );
  const root = typeof chosen === 'number' ? roots[chosen] : undefined;
  if (root === undefined) {
    return String(chosen);
  }
  if (vscode.workspace.fs.isWritableFileSystem(root.uri.scheme) === false) {
    return `Nothing can be written to ${root.name}: its file system is read-only.`;
  }
  const module = await existingModule(new FolderFiles(root.uri, platform), folder);
  return module.ok
    ? { target: { base: root.uri, baseName: root.name, path: folder }, options: fitToModule(options, module.value) }
    : module.problem;
}
