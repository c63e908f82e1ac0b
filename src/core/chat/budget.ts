/** Counts the tokens of a text as the model does. */
export type TokenCounter = (text: string) => PromiseLike<number>;

/** A text cut to a budget. */
export interface FittedText {
  /** Empty if not even one line fits. */
  readonly text: string;
  readonly tokens: number;
  /** How many lines were kept, if any were cut. */
  readonly keptLines?: number;
}

/**
 * Cuts a text at a line end so that it fits a budget. It asks for a handful of counts only, since each one is a
 * round trip to the model's host.
 * @param budget tokens; below one nothing fits.
 * @param count counts a candidate with whatever will be wrapped around it.
 */
export async function fitText(text: string, budget: number, count: TokenCounter): Promise<FittedText> {
  if (budget < 1 || text === '') {
    return { text: '', tokens: 0 };
  }
  const whole = await count(text);
  if (whole <= budget) {
    return { text, tokens: whole };
  }
  const lines = text.split('\n');
  let kept = lines.length;
  let tokens = whole;
  // Shrinks in proportion to the overshoot, with a tenth to spare; each step at least halves what is too much.
  while (kept > 0) {
    kept = Math.min(kept - 1, Math.floor((kept * budget * 0.9) / tokens));
    if (kept < 1) {
      break;
    }
    const candidate = lines.slice(0, kept).join('\n');
    tokens = await count(candidate);
    if (tokens <= budget) {
      return { text: candidate, tokens, keptLines: kept };
    }
  }
  return { text: '', tokens: 0 };
}
