import { holds, type ScaffoldOptions } from './options.ts';

const MARKER = /^[ \t]*(?:\/\/|#|<!--|--)[ \t]*scaffold:(?:if ([a-z| ]+?)|(end))[ \t]*(?:-->)?[ \t]*$/;

/**
 * Removes the marker lines of a template, and what stands between those whose condition does not hold. A marker is a
 * comment on a line of its own: `scaffold:if <condition>` or `scaffold:end`. They do not nest.
 * @throws RangeError if markers nest or do not match.
 */
export function resolveMarkers(text: string, options: Omit<ScaffoldOptions, 'modulePath'>): string {
  if (!text.includes('scaffold:')) {
    return text;
  }
  let condition: string | undefined;
  const kept = text.split('\n').filter((line) => {
    const marker = MARKER.exec(line);
    if (!marker) {
      return condition === undefined || holds(condition, options);
    }
    const opens = marker[1];
    if ((opens === undefined) === (condition === undefined)) {
      throw new RangeError(`marker out of place: ${line.trim()}`);
    }
    condition = opens;
    return false;
  });
  if (condition !== undefined) {
    throw new RangeError(`marker is not closed: scaffold:if ${condition}`);
  }
  return kept.join('\n');
}
