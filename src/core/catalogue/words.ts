// Words that say nothing about which entry is meant, neither alone nor in a phrase.
const FUNCTION_WORDS = new Set(
  `a about also am an and any anyway are as at be been being but by can could did do does doing done each either even for
  from get gets getting give given go goes going golang good got had has have having he help her here him his how i if
  im in into is isnt it its ive just kind let lets like made make makes making many may me might mine more most much must
  my need needs of on one or our ours own please put quite rather really say says shall she should so some somehow such
  than that the their them then there these they thing things this those though to too us use used uses using very want
  wants was way we were what when where whether which while who whom whose why will with would yet you your yours dont
  doesnt cant wont didnt isn doesn don won didn hasn aren couldn ll ve re s t`.split(/\s+/),
);

// Words of Go and of the businesses that services are for: they mean something inside a phrase only.
const COMMON_WORDS = new Set(
  `add all application apps app architecture best between check code create customer customers design different example find good happen
  everything explain fine happens happened help keep know line lines look looks never new no not nothing now number only order orders other others our
  out over payment payments pod pods problem process product products provider providers people person request requests
  review right run running runs send sends sent service services shop show sometimes somebody something start still survive
  survives system take takes tell time times two up user users work working works write year`.split(/\s+/),
);

// Forms that no rule below brings together, and other words for the same thing.
const SAME = new Map(
  Object.entries({
    alert: 'alerting alarm alarms pager paged woken',
    ask: 'asked asks',
    authenticate: 'auth authn authentication login logins logged signin signon oauth oidc sso',
    authorise: 'authorization authorisation authorize authz permission permissions role roles admin admins rbac',
    begin: 'began begun',
    break: 'broke broken breaks',
    build: 'built builds',
    cancel: 'canceled cancelled canceling cancelling cancellation',
    choose: 'chose chosen choice choosing pick',
    configuration: 'config configure configured setting settings env',
    credential: 'credentials password passwords passphrase',
    crash: 'crashes crashed crashing died dies dying',
    database: 'db dbs databases',
    deploy:
      'deployment deployments deploys deployed deploying release releases released releasing rollout ship shipping',
    down: 'dead outage outages unreachable unavailable offline unavailability',
    duplicate: 'twice double doubled duplicated duplicates duplication',
    email: 'mail mails emails e-mail',
    find: 'found',
    grow: 'grew grown growing grows',
    hang: 'hangs hanging hung stuck freezes frozen',
    http: 'https',
    instance: 'instances replicas pod pods container containers',
    kubernetes: 'k8s kube',
    lose: 'lost loses losing loss vanish vanished disappear disappears disappeared',
    memory: 'ram',
    message: 'messages msg msgs',
    microservice: 'microservices',
    money: 'price prices amount amounts',
    overload: 'overloaded overwhelmed overloading',
    postgres: 'postgresql pg',
    process: 'processes processed processing',
    repository: 'repo repos repositories',
    send: 'sent sends sending',
    slow: 'slowly slower slowest sluggish laggy slowness',
    spread: 'distribute distributes distributed distribution',
    stale: 'outdated',
    start: 'startup starting starts started boot',
    stop: 'stops stopped stopping',
    transaction: 'transactional transactions tx',
    write: 'wrote written writes writing',
    wrong: 'incorrect',
  }).flatMap(([word, others]) => others.split(' ').map((other) => [other, word] as const)),
);

/** The meaning-bearing words of a text as lower-case stems, in order; also such as mean something in a phrase only. */
export function stemsOf(text: string): string[] {
  return tokens(text)
    .filter((word) => !FUNCTION_WORDS.has(word))
    .map((word) => stem(SAME.get(word) ?? word));
}

/** Of the words of a text those that say something by themselves, as stems, in order. */
export function contentStemsOf(text: string): string[] {
  return tokens(text)
    .filter((word) => !FUNCTION_WORDS.has(word) && !COMMON_WORDS.has(word))
    .map((word) => stem(SAME.get(word) ?? word));
}

function tokens(text: string): string[] {
  return (
    text
      .toLowerCase()
      .replace(/['’]/g, '')
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

/** Brings the forms of a word together: "retries", "retry", "retrying"; "migrate", "migrations". */
export function stem(word: string): string {
  if (word.length <= 3 || /\d/.test(word)) {
    return word;
  }
  let base = word;
  base = base
    .replace(/ies$/, 'y')
    .replace(/(ss|sh|ch|x)es$/, '$1')
    .replace(/([^su])s$/, '$1');
  for (const ending of [
    'ations',
    'ation',
    'ating',
    'ated',
    'ates',
    'ate',
    'ments',
    'ment',
    'ings',
    'ing',
    'ied',
    'ed',
    'ions',
    'ion',
    'ly',
  ]) {
    if (base.endsWith(ending) && base.length - ending.length >= 3) {
      base = base.slice(0, -ending.length) + (ending === 'ied' ? 'y' : '');
      break;
    }
  }
  return base
    .replace(/([^lsaeiou])\1$/, '$1')
    .replace(/e$/, '')
    .replace(/y$/, 'i');
}
