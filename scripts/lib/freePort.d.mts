/** A port of this machine's own address at which nobody listens. */
export function freePort(): Promise<number>;
