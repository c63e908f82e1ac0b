/** What came of something that can be refused for a reason that the user is told: a value, or a sentence. */
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** A value that was found or made. */
export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

/** The reason why there is no value, as a sentence. */
export function refused(problem: string): Result<never> {
  return { ok: false, problem };
}
