/** What must hold for every tree, every fault, every moment of cancellation and whatever somebody else does meanwhile. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { journalEntry, parseJournal, undoScaffold } from '../../src/core/scaffold/journal.ts';
import { type Plan, PlanError, planScaffold } from '../../src/core/scaffold/plan.ts';
import type { RenderedFile } from '../../src/core/scaffold/render.ts';
import { WriteError, type WriteResult, writePlan } from '../../src/core/scaffold/write.ts';
import { type Fault, TreeFiles } from './support/treeFiles.ts';

const RUNS = { numRuns: 1000 };
const follow = { isCancelled: () => false, onProgress: () => undefined };

// A small alphabet, so that what exists and what is written meet often.
const path = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));

/** Files to write: no path is the folder of another. */
const rendered = fc
  .uniqueArray(fc.record({ path, text: fc.constantFrom('', 'x', 'y') }), {
    selector: (file) => file.path,
    maxLength: 8,
  })
  .map((files) =>
    files
      .filter((file) => !files.some((other) => other.path.startsWith(`${file.path}/`)))
      .sort((a, b) => (a.path < b.path ? -1 : 1)),
  );

/** Something that somebody else does below the target; their texts are never those of the scaffold. */
interface Deed {
  /** A folder or file that is moved out of the target leaves a link behind. */
  readonly what: 'write' | 'mkdir' | 'delete' | 'link' | 'move';
  readonly path: string;
  readonly to: string;
}
const deed = (...what: Deed['what'][]) =>
  fc.record({
    what: fc.constantFrom(...what),
    path,
    to: fc.constantFrom('/out', '/out', '/out/a', '/base/b', '/nowhere'),
  });
const deeds = fc.array(deed('write', 'mkdir', 'delete', 'link', 'move'), { maxLength: 5 });
const faults = fc.array(fc.option(fc.constantFrom<Fault>('before', 'after'), { nil: undefined, freq: 6 }), {
  maxLength: 60,
});

function apply(files: TreeFiles, todo: readonly Deed[]): void {
  for (const { what, path: at, to } of todo) {
    const full = files.at(at);
    if (what === 'delete') {
      files.delete(full);
    } else if (what === 'move') {
      const moved = `/out/moved/${files.nodes.size}`;
      if (files.move(full, moved)) {
        files.put(full, { link: moved });
      }
    } else {
      files.put(full, what === 'write' ? { text: `theirs at ${at}` } : what === 'link' ? { link: to } : 'folder');
    }
  }
}

/** A file system with a target folder and, outside it, files of the same names that links lead to. */
function treeWith(before: readonly Deed[]): TreeFiles {
  const files = new TreeFiles('/base');
  files.put('/base', 'folder');
  for (const name of ['/out/a', '/out/b/a', '/out/b/b']) {
    files.put(name, { text: 'x' }); // the very text of a scaffold's file
  }
  apply(files, before);
  return files;
}

/** Takes the faults one after another, and then none. */
function failWith(files: TreeFiles, list: readonly (Fault | undefined)[]): void {
  const rest = [...list];
  files.onOperation = () => rest.shift();
}

function works(files: TreeFiles): void {
  files.onOperation = () => undefined;
}

async function planned(files: TreeFiles, todo: readonly RenderedFile[]): Promise<Plan | undefined> {
  try {
    return await planScaffold(todo, files);
  } catch (error) {
    expect(error).toBeInstanceOf(PlanError);
    return undefined;
  }
}

/** Writes, and says what was written or why not. */
async function written(
  files: TreeFiles,
  plan: Plan,
  isCancelled = follow.isCancelled,
): Promise<WriteResult | WriteError> {
  try {
    return await writePlan(plan, files, { ...follow, isCancelled });
  } catch (error) {
    expect(error).toBeInstanceOf(WriteError);
    return error as WriteError;
  }
}

function pathsThatDiffer(a: Record<string, string>, b: Record<string, string>): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => a[key] !== b[key]);
}

const theirs = (snapshot: Record<string, string>) =>
  Object.fromEntries(Object.entries(snapshot).filter(([at, node]) => node.includes('theirs') || at.startsWith('/out')));

describe('plan', () => {
  test('lists no path to create that exists, loses none, and writes nothing', () =>
    fc.assert(
      fc.asyncProperty(rendered, deeds, async (todo, before) => {
        const files = treeWith(before);
        const snapshot = files.snapshot();
        const plan = await planned(files, todo);
        expect(files.snapshot()).toEqual(snapshot);
        if (plan) {
          expect(plan.create.filter(({ path: at }) => files.nodes.has(files.at(at)))).toEqual([]);
          expect(plan.skip.filter((at) => !files.nodes.has(files.at(at)))).toEqual([]);
          expect([...plan.create.map(({ path: at }) => at), ...plan.skip].sort()).toEqual(
            todo.map((file) => file.path),
          );
        }
      }),
      RUNS,
    ));

  test('passes every fault on', () =>
    fc.assert(
      fc.asyncProperty(rendered, deeds, fc.nat(8), async (todo, before, at) => {
        const files = treeWith(before);
        const probe = treeWith(before);
        let operations = 0;
        probe.onOperation = () => {
          operations++;
          return undefined;
        };
        await planned(probe, todo);
        failWith(files, [...Array(at).fill(undefined), 'before']);
        if (at < operations) {
          await expect(planScaffold(todo, files)).rejects.toThrow();
        } else {
          expect(await planned(files, todo)).toEqual(await planned(probe, todo));
        }
      }),
      RUNS,
    ));
});

describe('write', () => {
  test('is complete, or the tree is as before except for what the error names; whatever fails, whoever interferes', () =>
    fc.assert(
      fc.asyncProperty(
        rendered,
        deeds,
        deeds,
        faults,
        fc.option(fc.nat(10), { nil: Infinity }),
        async (todo, before, between, list, cancelAt) => {
          const files = treeWith(before);
          const plan = await planned(files, todo);
          if (!plan) {
            return;
          }
          apply(files, between);
          const start = files.snapshot();
          failWith(files, list);
          let asked = 0;
          const result = await written(files, plan, () => asked++ >= cancelAt);
          works(files);
          const end = files.snapshot();
          const changed = pathsThatDiffer(start, end);
          if (result instanceof WriteError) {
            const left = result.left.map((at) => files.at(at === 'the target folder' ? '' : at));
            expect(changed.filter((at) => !left.includes(at))).toEqual([]);
          } else {
            const created = plan.create.filter((file) => !result.skipped.includes(file.path));
            expect(result.files).toEqual(created.map((file) => file.path));
            for (const file of created) {
              expect(end[files.at(file.path)]).toBe(`text ${file.text}`);
            }
            expect(changed.sort()).toEqual([...result.files, ...result.folders].map((at) => files.at(at)).sort());
          }
          // Nothing that stood there was changed, inside or outside.
          expect(Object.keys(start).filter((at) => start[at] !== end[at])).toEqual([]);
        },
      ),
      RUNS,
    ));

  test('never changes what somebody else writes while it writes', () =>
    fc.assert(
      fc.asyncProperty(
        rendered,
        fc.array(fc.record({ at: fc.nat(30), deed: deed('write', 'mkdir', 'delete') }), { maxLength: 6 }),
        faults,
        async (todo, meanwhile, list) => {
          const files = treeWith([]);
          const plan = await planned(files, todo);
          let operation = 0;
          const rest = [...list];
          const lost: unknown[] = [];
          let known = theirs(files.snapshot());
          const look = () => lost.push(...pathsThatDiffer(known, theirs(files.snapshot())));
          // No file system compares and removes in one step: between the two, a change would be lost.
          const compared = new Set<string>();
          const isCompared = (at: string) =>
            [...compared].some((other) => `${other}/`.startsWith(`${at}/`) || `${at}/`.startsWith(`${other}/`));
          files.onOperation = (name, at) => {
            look();
            apply(
              files,
              meanwhile.filter((item) => item.at === operation && !isCompared(item.deed.path)).map((item) => item.deed),
            );
            compared.delete(at);
            if (name === 'read') {
              compared.add(at);
            }
            known = theirs(files.snapshot());
            operation++;
            return rest.shift();
          };
          await written(files, plan as Plan);
          look();
          expect(lost).toEqual([]);
        },
      ),
      RUNS,
    ));
});

describe('undo', () => {
  test('restores the tree exactly if nothing has changed', () =>
    fc.assert(
      fc.asyncProperty(rendered, deeds, async (todo, before) => {
        const files = treeWith(before);
        const plan = await planned(files, todo);
        if (!plan) {
          return;
        }
        const start = files.snapshot();
        const result = await written(files, plan);
        expect(result).not.toBeInstanceOf(WriteError);
        const undone = await undo(files, plan, result as WriteResult);
        expect(files.snapshot()).toEqual(start);
        expect(undone).toMatchObject({ removed: (result as WriteResult).files, left: [], failed: [], leftFolders: [] });
      }),
      RUNS,
    ));

  test('removes nothing that was edited and nothing outside, whatever fails; names each file of its own that stays', () =>
    fc.assert(
      fc.asyncProperty(rendered, deeds, deeds, faults, async (todo, before, since, list) => {
        const files = treeWith(before);
        const plan = await planned(files, todo);
        if (!plan) {
          return;
        }
        const result = await written(files, plan);
        apply(files, since);
        const start = files.snapshot();
        failWith(files, list);
        const { left, failed } = await undo(files, plan, result as WriteResult);
        works(files);
        const end = files.snapshot();
        expect(theirs(end)).toEqual(theirs(start));
        const own = [...(result as WriteResult).files, ...(result as WriteResult).folders].map((at) => files.at(at));
        expect(pathsThatDiffer(start, end).filter((at) => !own.includes(at))).toEqual([]);
        expect(Object.entries(start).filter(([at, node]) => node.startsWith('link') && end[at] !== node)).toEqual([]);
        const stayed = plan.create.filter((file) => end[files.at(file.path)] === `text ${file.text}`);
        expect(stayed.filter((file) => ![...left, ...failed].includes(file.path))).toEqual([]);
      }),
      RUNS,
    ));
});

async function undo(files: TreeFiles, plan: Plan, result: WriteResult) {
  const created = plan.create.filter((file) => result.files.includes(file.path));
  const entry = await journalEntry('file:///base', 'example.com/x', '2026-11-22', created, result.folders);
  const [kept] = parseJournal(JSON.stringify([entry]));
  return undoScaffold(kept ?? entry, files);
}
