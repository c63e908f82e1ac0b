const set = (words: string) => new Set(words.split(/\s+/));

// Words that lead up to the alternatives: "should we go with", "is it better to", "which one".
const LEAD = set(
  `a about adopt an and are better can choosing compare could decide deciding decision did do does either go going good
  have help how i if is it its keep let like me move my need now our pick please record recommend recommended say should
  start switch tell that the then think to try us we what whether which will would you`,
);
// What is chosen stands behind the last of these.
const CHOSEN = set('adopt be between choose have pick prefer take use using');
// Words that end the last alternative: what follows says for what, not which.
const END = set('and as at because behind between but for from if in of on so to when which while who with');
// Judgements behind an alternative: "or is Postgres enough".
const JUDGEMENT = set('better cheaper easier enough faster fine good instead simpler sufficient');
const PLACE = set('at in on');
const PREFACE = set('as because for given if in on since when with');

const MAX_WORDS = 8;
// Alternatives are named early; nobody asks for a record in more words.
const MAX_LENGTH = 1000;

/**
 * The alternatives that a request names, as it calls them: "Kafka or NATS", "gRPC vs. REST", "outbox, CDC or dual
 * write", "Should each service have its own database, or share one?". What stands around them is context.
 * @returns at least two, or none if the request names none.
 */
export function optionsOf(request: string): string[] {
  const sentence = sentencesOf(request.slice(0, MAX_LENGTH)).find((words) => words.some(isJoint));
  if (sentence === undefined) {
    return [];
  }
  const groups = groupsOf(sentence);
  while (groups.length > 2 && PREFACE.has(groups[0]?.[0]?.toLowerCase() ?? '')) {
    groups.shift();
  }
  const options = groups
    .map((group, index) => (index === 0 ? chosenIn(group, groups[1] ?? []) : withoutLead(group)))
    .map((group, index) => (index === groups.length - 1 ? beforeEnd(group) : group))
    .map((group) => group.slice(0, lengthWithout(group, JUDGEMENT)))
    .filter((group) => group.length > 0);
  return options.length < 2 || options.some((words) => words.length > MAX_WORDS)
    ? []
    : options.map((words) => capital(words.join(' ')));
}

function isJoint(word: string): boolean {
  return /^(or|vs\.?|versus)$/i.test(word);
}

/** The sentences as lists of words. */
function sentencesOf(text: string): string[][] {
  const sentences: string[][] = [[]];
  for (const line of text.split('\n')) {
    for (const word of line.split(/\s/).filter(Boolean)) {
      const isEnd = /[?!.]$/.test(word) && !/^vs\.$/i.test(word);
      sentences.at(-1)?.push(isEnd ? word.slice(0, -1) : word);
      if (isEnd) {
        sentences.push([]);
      }
    }
    sentences.push([]);
  }
  return sentences;
}

/** The words between "or", "versus" and the commas of a list that "or" ends. */
function groupsOf(words: readonly string[]): string[][] {
  const colon = words.findIndex((word) => word.endsWith(':'));
  const joint = words.findIndex(isJoint);
  // "Kafka vs RabbitMQ: which one" names them before the colon, "pick one: Kafka or NATS" after it.
  const part = colon < 0 ? words : colon > joint ? words.slice(0, colon + 1) : words.slice(colon + 1);
  const last = part.findLastIndex(isJoint);
  const groups: string[][] = [[]];
  for (const [index, word] of part.entries()) {
    if (isJoint(word)) {
      groups.push([]);
      continue;
    }
    const isListed = word.endsWith(',');
    if (isListed && index > last) {
      groups.at(-1)?.push(plain(word));
      break; // what follows is no alternative: "REST or gRPC, and why"
    }
    groups.at(-1)?.push(plain(word));
    if (isListed) {
      groups.push([]);
    }
  }
  return groups.map((group) => group.filter(Boolean)).filter((group) => group.length > 0);
}

function plain(word: string): string {
  return word.replace(/^[("'`]/, '').replace(/[,:;)"'`]$/, '');
}

/** The first alternative without the words that lead up to it. */
function chosenIn(group: readonly string[], next: readonly string[]): string[] {
  const place = group.findLastIndex((word) => PLACE.has(word.toLowerCase()));
  if (place > 0 && PLACE.has(next[0]?.toLowerCase() ?? '')) {
    return group.slice(place); // "keep it in the use case or in the repository"
  }
  const behind = group.length - place - 1;
  if (place > 1 && behind > 0 && behind <= Math.max(2, next.length)) {
    return withoutLead(group.slice(place + 1)); // "store sessions in Redis or Postgres"
  }
  return withoutLead(group.slice(group.findLastIndex((word) => CHOSEN.has(word.toLowerCase())) + 1));
}

function withoutLead(words: readonly string[]): string[] {
  const start = words.findIndex((word) => !LEAD.has(word.toLowerCase()));
  return start < 0 ? [] : words.slice(start);
}

function beforeEnd(words: readonly string[]): string[] {
  const end = words.findIndex((word, index) => index > 0 && END.has(word.toLowerCase()));
  return end < 0 ? [...words] : words.slice(0, end);
}

function lengthWithout(words: readonly string[], trailing: ReadonlySet<string>): number {
  return words.findLastIndex((word) => !trailing.has(word.toLowerCase())) + 1;
}

function capital(text: string): string {
  // A name with a capital inside is written as its owners write it: gRPC, eBPF.
  return /^[a-z]\S*[A-Z]/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
}
