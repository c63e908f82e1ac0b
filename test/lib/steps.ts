/** Runs named steps, two at a time, each as soon as what it needs is done; prints a line when one ends. */

/** What a step counted. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** What went wrong, in full. */
  readonly failures?: string;
  /** Why something was skipped. */
  readonly note?: string;
}

/** A named step. */
export interface Step {
  readonly name: string;
  readonly title: string;
  /** Steps that must have succeeded first; they run even when only this one was asked for. */
  readonly needs?: readonly string[];
  /** Steps that this one waits for where both were asked for, whatever became of them. */
  readonly after?: readonly string[];
  /** A step that throws counts as one failure. */
  run(report: (line: string) => void): Promise<Outcome>;
}

/** The outcome of a step that is one check by itself. */
export const onePassed: Outcome = { passed: 1, failed: 0, skipped: 0 };

/** The outcome of a step that could not run. */
export function skipped(note: string): Outcome {
  return { passed: 0, failed: 0, skipped: 1, note };
}

/** Runs the chosen steps, or all, and returns the sum of what they counted. */
export async function runSteps(steps: readonly Step[], chosen: readonly string[]): Promise<Outcome> {
  const waiting = select(steps, chosen);
  const selected = new Set(waiting.map(({ name }) => name));
  const outcomes = new Map<string, Outcome>();
  const worker = async () => {
    for (;;) {
      const ready = waiting.findIndex(({ needs = [], after = [] }) =>
        [...needs, ...after].every((name) => outcomes.has(name) || !selected.has(name)),
      );
      const [step] = ready < 0 ? [] : waiting.splice(ready, 1);
      if (step) {
        outcomes.set(step.name, await runStep(step, outcomes));
        progress.resolve();
        progress = Promise.withResolvers<void>();
      } else if (waiting.length === 0) {
        return;
      } else {
        await progress.promise;
      }
    }
  };
  let progress = Promise.withResolvers<void>();
  await Promise.all([worker(), worker()]);
  const sum = (key: 'passed' | 'failed' | 'skipped') =>
    [...outcomes.values()].reduce((total, outcome) => total + outcome[key], 0);
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') };
}

/** The counts in words; the number of skipped tests is left out when there are none. */
export function summary({ passed, failed, skipped }: Outcome): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** The steps with these names, or with names that begin with one of them and a hyphen, and what they need. */
function select(steps: readonly Step[], chosen: readonly string[]): Step[] {
  const wanted = new Set<string>(chosen.length > 0 ? [] : steps.map(({ name }) => name));
  for (const word of chosen) {
    const matching = steps.filter(({ name }) => name === word || name.startsWith(`${word}-`));
    if (matching.length === 0) {
      throw new Error(`There is no step "${word}". Steps: ${steps.map(({ name }) => name).join(', ')}.`);
    }
    for (const { name } of matching) {
      wanted.add(name);
    }
  }
  for (const name of wanted) {
    for (const need of steps.find((step) => step.name === name)?.needs ?? []) {
      wanted.add(need);
    }
  }
  return steps.filter(({ name }) => wanted.has(name));
}

async function runStep(step: Step, outcomes: ReadonlyMap<string, Outcome>): Promise<Outcome> {
  const broken = step.needs?.find((need) => unusable(outcomes.get(need)));
  if (broken) {
    const outcome = skipped(`not run, because "${broken}" did not succeed`);
    console.log(`- ${step.title}: ${outcome.note}`);
    return outcome;
  }
  const began = Date.now();
  const report = (line: string) => console.log(`  ${step.title}: ${line}`);
  let outcome: Outcome;
  try {
    outcome = await step.run(report);
  } catch (error) {
    outcome = { passed: 0, failed: 1, skipped: 0, failures: error instanceof Error ? error.message : String(error) };
  }
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  const sign = outcome.failed > 0 ? '✗' : outcome.passed > 0 || outcome.skipped === 0 ? '✓' : '-';
  const note = outcome.note === undefined ? '' : `: ${outcome.note}`;
  const counts = outcome.passed + outcome.failed + outcome.skipped === 0 ? 'ready' : summary(outcome);
  console.log(`${sign} ${step.title}: ${counts} (${seconds} s)${note}`);
  if (outcome.failed > 0) {
    console.log(`\n${outcome.failures ?? 'no output'}\n`);
  }
  return outcome;
}

function unusable(outcome: Outcome | undefined): boolean {
  return outcome === undefined || outcome.failed > 0 || (outcome.passed === 0 && outcome.skipped > 0);
}
