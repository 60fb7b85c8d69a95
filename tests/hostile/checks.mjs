// Checks: each plays something hostile, observes facts, and says what is right of each fact.
//
//   {
//     name: 'a sentence of what it shows',
//     play: async (stage) => ({ended: 20, …}),             // the facts, as they were observed
//     expects: {ended: {right: (n) => n === 20, wrong: [0, 19]}},
//   }
//
// `wrong` are values as they were seen while the fault was there, or would be: selfCheck shows that `right` refuses each of
// them, and a fact that was not observed, so that no check passes by itself.

/** What is wrong with the facts, a line each. */
export function judge(check, facts) {
  return Object.entries(check.expects)
    .filter(([name, { right }]) => !holds(right, facts[name]))
    .map(([name]) => `${name} is ${brief(facts[name])}`);
}

function holds(right, fact) {
  try {
    return right(fact) === true;
  } catch {
    return false; // it is not even of the type that was expected
  }
}

function brief(fact) {
  const text = JSON.stringify(fact) ?? 'not observed';
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

/** Checks that could pass for nothing, a line each. */
export function selfCheck(checks) {
  const bad = [];
  if (checks.length === 0) bad.push('there are no checks');
  for (const check of checks) {
    const names = Object.keys(check.expects);
    if (names.length === 0) bad.push(`${check.name}: it expects nothing`);
    for (const name of names) {
      const { wrong } = check.expects[name];
      if (!Array.isArray(wrong) || wrong.length === 0) bad.push(`${check.name}: no wrong value of ${name} is known`);
      for (const value of [undefined, ...(wrong ?? [])])
        if (!judge(check, { [name]: value }).some((line) => line.startsWith(`${name} is `))) bad.push(`${check.name}: it takes ${brief(value)} for ${name}`);
    }
  }
  return bad;
}

const LIMIT_MS = 90000;

async function withinLimit(playing) {
  let timer;
  const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error(`it is not over after ${LIMIT_MS / 1000} s`)), LIMIT_MS)));
  await Promise.race([playing, late]).finally(() => clearTimeout(timer));
  return playing;
}

/** Plays one. Returns {check, wrong: ['…'], facts, seconds}. */
export async function play(check, stage) {
  const start = performance.now();
  let facts = {};
  let wrong;
  try {
    facts = await withinLimit(check.play(stage));
    wrong = judge(check, facts);
  } catch (error) {
    wrong = [error.stack];
  }
  return { check, wrong, facts, seconds: (performance.now() - start) / 1000 };
}

/** The line of a result, as TAP has it, with what was observed. */
export function line(number, { check, wrong, facts, seconds }) {
  const seen = Object.entries(facts).map(([name, fact]) => `${name} ${brief(fact)}`).join(', ');
  const head = `${wrong.length === 0 ? 'ok' : 'not ok'} ${number} - ${check.name} (${seconds.toFixed(1)} s)`;
  return [head, ...wrong.map((text) => `#   WRONG: ${text}`), ...(seen ? [`#   ${seen}`] : [])].join('\n');
}
