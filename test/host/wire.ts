/** How results leave the extension host: one console line each. */

/** The console line of a message starts with this. */
export const mark = '@@host ';

/** Prints a message for the runner outside. */
export function send(message: unknown): void {
  console.log(mark + JSON.stringify(message));
}
