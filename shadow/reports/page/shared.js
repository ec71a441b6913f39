"use strict";
// What the report and the live page have in common.
const shared = (() => {
  const DIFF_CELLS = 400000;
  const by = (id) => document.getElementById(id);
  const [SIGNATURE, ENDPOINT, WHERE, PATH, CAUSE, SEVERITY, VERDICT, RULE, OWNER, FLAGS, EXCHANGES, SHARE, EXAMPLES] = Array(13).keys();
  const [ID, METHOD, TARGET, AT, BASELINE, CANDIDATE, BASELINE_STATUS, CANDIDATE_STATUS] = Array(8).keys();
  const [NAME, TITLE, IMPACT, FIX_CANDIDATE, FIX_BASELINE] = Array(5).keys();

  // Text only ever becomes text: no markup is made of what a service answered.
  const make = (tag, name, ...inside) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...inside.filter((each) => each !== null && each !== undefined));
    return element;
  };
  const number = (value) => value.toLocaleString("en-US");
  const percent = (share) => (share > 0 && share < 0.001 ? "<0.1%" : `${(100 * share).toFixed(share >= 0.9995 ? 0 : 1)}%`);

  // As one word for a shell.
  const quoted = (value) => `'${value.replaceAll("'", "'\\''")}'`;

  // A bar of parts, each a name and a width in percent; it is drawn anew into the one given.
  const SVG = "http://www.w3.org/2000/svg";
  const bar = (parts, outer = document.createElementNS(SVG, "svg")) => {
    outer.setAttribute("class", "bar");
    outer.setAttribute("viewBox", "0 0 100 8");
    outer.setAttribute("preserveAspectRatio", "none");
    if (!outer.hasAttribute("role")) outer.setAttribute("aria-hidden", "true");
    let left = 0;
    const drawn = parts.map(([name, width]) => {
      const part = document.createElementNS(SVG, "rect");
      if (name) part.setAttribute("class", name);
      part.setAttribute("x", String(left));
      part.setAttribute("width", String(width));
      part.setAttribute("height", "8");
      left += width;
      return part;
    });
    outer.replaceChildren(...drawn);
    return outer;
  };

  // The findings of the data that `shadow.reports.page.findings` writes.

  const findings = (data) => {
    const place = (row) => {
      const where = data.where[row[WHERE]];
      if (where === "header") return `header ${row[PATH]}`;
      if (where === "body") return row[PATH] === "" || row[PATH] === "$" ? "whole body" : row[PATH];
      return where === "transport" ? "no answer" : where;
    };

    // What is searched, made when it is first needed.
    const words = new Map();
    const text = (row) => {
      if (!words.has(row)) {
        const values = row[EXAMPLES].flatMap((each) => [each[ID], each[TARGET], each[BASELINE], each[CANDIDATE]]);
        const about = [row[SIGNATURE], data.endpoints[row[ENDPOINT]], place(row), data.causes[row[CAUSE]][NAME], data.owners[row[OWNER]], data.rules[row[RULE]]];
        words.set(row, [...about, ...values].filter(Boolean).join("\n").toLowerCase());
      }
      return words.get(row);
    };

    // What a row shows while it is closed; `more` are notes added to those that the finding has.
    const face = (row, ...more) => {
      const severity = data.severities[row[SEVERITY]];
      const verdict = data.verdicts[row[VERDICT]];
      const what = make("span", "what", make("code", "", data.endpoints[row[ENDPOINT]]), make("code", "", place(row)));
      const notes = [verdict === "divergent" ? null : verdict, row[OWNER] < 0 ? null : data.owners[row[OWNER]], ...more];
      if (row[FLAGS] & 1) notes.push(`${data.names[0]} is wrong`);
      if (row[FLAGS] & 2) notes.push("unstable-candidate: it comes and goes when asked again");
      const said = notes.filter(Boolean).join(", ");
      const cause = make("span", "cause", data.causes[row[CAUSE]][NAME], said ? make("small", "", said) : null);
      const rate = row[SHARE] === null ? "" : ` (${percent(row[SHARE])})`;
      const seen = make("span", "seen", make("b", "", number(row[EXCHANGES])), `${rate}`, row[SHARE] === null ? null : bar([["", Math.max(0.8, 100 * row[SHARE])]]));
      return [make("span", `severity ${severity}`, severity), what, cause, seen];
    };
    const item = (row, key, ...more) => {
      const button = make("button", "row", ...face(row, ...more));
      button.type = "button";
      button.setAttribute("aria-expanded", "false");
      const detail = make("div", "detail");
      detail.id = `detail-${key}`;
      detail.hidden = true;
      button.setAttribute("aria-controls", detail.id);
      button.addEventListener("click", () => open(button, detail, row));
      return make("li", "", button, detail);
    };
    const open = (button, detail, row) => {
      if (!detail.hasChildNodes()) detail.append(...inside(row));
      detail.hidden = !detail.hidden;
      button.setAttribute("aria-expanded", String(!detail.hidden));
    };
    const inside = (row) => {
      const cause = data.causes[row[CAUSE]];
      const facts = make("dl", "");
      const add = (term, value) => value && facts.append(make("dt", "", term), make("dd", "", value));
      add("cause", cause[TITLE] || "no known cause explains it, so it may be a bug of the rewrite");
      add("impact", cause[IMPACT]);
      add(`fix in rust`, cause[FIX_CANDIDATE]);
      add(`fix in go`, cause[FIX_BASELINE]);
      add("excused by", data.rules[row[RULE]]);
      const parts = [facts, command(`shadow repro ${row[SIGNATURE]} --run ${data.run}`)];
      for (const example of row[EXAMPLES]) parts.push(shownExample(example));
      if (!row[EXAMPLES].length) parts.push(make("p", "note", "No example found room here; the command above shows it."));
      return parts;
    };
    const shownExample = (example) => {
      const [one, other] = parted(example[BASELINE], example[CANDIDATE]);
      const asked = make("p", "asked", make("code", "", `${example[METHOD]} ${example[TARGET]}`.trim()), ` exchange ${example[ID]}, at ${example[AT] || "the answer as a whole"}`);
      const sides = make("div", "sides", side("baseline", 0, example[BASELINE_STATUS], one), side("candidate", 1, example[CANDIDATE_STATUS], other));
      return make("div", "example", asked, sides, curl(example));
    };
    const side = (name, index, status, pieces) => {
      const heading = make("h3", "", data.names[index], status === null ? null : make("span", "", `status ${status}`));
      const body = pieces === null ? make("pre", "absent", "absent") : make("pre", "", ...pieces.map(([part, same]) => (same ? part : make("mark", "", part))));
      return make("div", `side ${name}`, heading, body);
    };

    // How to see it again

    const curl = (example) => {
      const whole = example[TARGET] && !/[…\\]|\[masked:/.test(example[TARGET]); // neither cut, escaped nor masked
      if (!whole || !["GET", "HEAD", "OPTIONS", "DELETE"].includes(example[METHOD])) return null;
      const how = example[METHOD] === "GET" ? "" : example[METHOD] === "HEAD" ? " --head" : ` -X ${example[METHOD]}`;
      // As in shadow repro, a variable stands for where a side listens that the run does not know.
      const variable = (index) => `"$${data.names[index].toUpperCase().replace(/[^A-Z0-9]/g, "_").slice(0, 40)}_URL"`;
      const address = (url, index) => (url ? quoted(url + example[TARGET]) : variable(index) + quoted(example[TARGET]));
      const asks = data.urls.map((url, index) => `curl -gi --path-as-is${how} ${address(url, index)}`);
      return command(asks.join("\n"));
    };
    return { text, face, item };
  };
  const command = (line) => {
    const shownLine = make("pre", "", line);
    const copy = make("button", "copy", "Copy");
    copy.type = "button";
    copy.addEventListener("click", async () => {
      const range = document.createRange();
      range.selectNodeContents(shownLine);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      let copied = false;
      try {
        await navigator.clipboard.writeText(line);
        copied = true;
      } catch {
        copied = document.execCommand("copy"); // where a file may not use the clipboard
      }
      copy.textContent = copied ? "Copied" : "Selected";
    });
    return make("div", "command", shownLine, copy);
  };

  // Two values, taken apart to the character

  const parted = (one, other) => {
    if (one === null || other === null) return [one === null ? null : [[one, true]], other === null ? null : [[other, true]]];
    const [a, b] = [[...one], [...other]];
    let start = 0;
    while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
    let end = 0;
    while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
    const middle = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
    const head = a.slice(0, start).join("");
    const tail = a.slice(a.length - end).join("");
    const common = middle[0].length * middle[1].length <= DIFF_CELLS ? aligned(...middle) : [middle[0].map(() => false), middle[1].map(() => false)];
    return middle.map((part, index) => [[head, true], ...runs(part, common[index]), [tail, true]].filter(([piece]) => piece !== ""));
  };
  // Which characters of either text belong to a longest common subsequence.
  const aligned = (a, b) => {
    const width = b.length + 1;
    const table = new Uint16Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        const at = i * width + j;
        table[at] = a[i] === b[j] ? table[at + width + 1] + 1 : Math.max(table[at + width], table[at + 1]);
      }
    }
    const same = [a.map(() => false), b.map(() => false)];
    for (let i = 0, j = 0; i < a.length && j < b.length; ) {
      const at = i * width + j;
      if (a[i] === b[j]) {
        same[0][i] = same[1][j] = true;
        i += 1;
        j += 1;
      } else if (table[at + width] >= table[at + 1]) i += 1;
      else j += 1;
    }
    // Two texts with little in common read better whole than in crumbs.
    const kept = same[0].filter(Boolean).length;
    const pieces = Math.max(...same.map((side) => side.filter((each, index) => each && !side[index - 1]).length));
    const readable = 2 * kept >= Math.min(a.length, b.length) && kept >= 3 * pieces;
    return readable ? same : [a.map(() => false), b.map(() => false)];
  };
  const runs = (characters, same) => {
    const found = [];
    characters.forEach((character, index) => {
      const last = found.at(-1);
      if (last && last[1] === same[index]) last[0] += character;
      else found.push([character, same[index]]);
    });
    return found;
  };

  // The colours: as the system has them, until the button is pressed.

  const offerTheme = () => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const theme = by("theme");
    const isDark = () => document.documentElement.classList.contains("dark") || (dark.matches && !document.documentElement.classList.contains("light"));
    const label = () => (theme.textContent = isDark() ? "Light" : "Dark");
    theme.addEventListener("click", () => {
      const next = isDark() ? "light" : "dark";
      document.documentElement.classList.remove("light", "dark");
      document.documentElement.classList.add(next);
      label();
    });
    dark.addEventListener("change", label);
    label();
    theme.hidden = false;
  };

  return { by, make, number, percent, quoted, bar, findings, command, offerTheme, ENDPOINT, CAUSE, SEVERITY, VERDICT, NAME };
})();
