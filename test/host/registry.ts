/** The smallest test registry that runs in every extension host, the web worker included. */

/** What became of one test. */
export interface TestResult {
  readonly name: string;
  readonly status: 'passed' | 'failed';
  readonly milliseconds: number;
  /** The stack of what was thrown. */
  readonly error?: string;
}

type Body = () => Promise<void> | void;

const tests: { readonly name: string; readonly body: Body }[] = [];

/** Registers a test; tests run one after another in the order of registration. */
export function test(name: string, body: Body): void {
  tests.push({ name, body });
}

/** Runs every registered test and reports each as it ends. */
export async function runAll(report: (result: TestResult) => void, limit = 30_000): Promise<void> {
  for (const { name, body } of tests) {
    const began = Date.now();
    const error = await settle(body, limit);
    const milliseconds = Date.now() - began;
    report(
      error === undefined ? { name, status: 'passed', milliseconds } : { name, status: 'failed', milliseconds, error },
    );
  }
}

/** Tries again until the check throws no more; after the deadline its last error stands. */
export async function eventually<T>(check: () => Promise<T> | T, limit = 10_000): Promise<T> {
  const deadline = Date.now() + limit;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Fails unless the condition holds. */
export function ok(condition: unknown, what: string): asserts condition {
  if (!condition) {
    throw new Error(what);
  }
}

/** Fails unless both values have the same JSON. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  const [left, right] = [JSON.stringify(actual, undefined, 2), JSON.stringify(expected, undefined, 2)];
  ok(left === right, `${what}\n  expected: ${right}\n  actual:   ${left}`);
}

/** Fails unless the text contains the part. */
export function contains(text: string, part: string, what: string): void {
  ok(text.includes(part), `${what}\n  expected to contain: ${part}\n  actual: ${text}`);
}

async function settle(body: Body, limit: number): Promise<string | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished after ${limit} ms`)), limit);
  });
  try {
    await Promise.race([body(), timeout]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  } finally {
    clearTimeout(timer);
  }
}
