"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const CHUNK = 100;
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

  // Filters

  const counted = (column) => {
    const counts = new Map();
    for (const row of data.findings) counts.set(row[column], (counts.get(row[column]) || 0) + 1);
    return counts;
  };
  const boxes = (field, column, names, chosen) => {
    const counts = counted(column);
    names.forEach((name, index) => {
      if (!counts.has(index)) return;
      const box = make("input");
      box.type = "checkbox";
      box.value = String(index);
      box.checked = chosen(name);
      field.append(make("label", "", box, `${name} ${number(counts.get(index))}`));
    });
    if (counts.size < 2 && field.id === "severities") field.hidden = true;
    return () => new Set([...field.querySelectorAll("input:checked")].map((box) => Number(box.value)));
  };
  const choices = (select, column, names) => {
    const counts = counted(column);
    names
      .map((name, index) => [name, index])
      .sort((one, other) => (one[0] < other[0] ? -1 : 1))
      .forEach(([name, index]) => {
        const option = make("option", "", `${name} (${number(counts.get(index) || 0)})`);
        option.value = String(index);
        select.append(option);
      });
  };
  const fails = data.findings.some((row) => data.verdicts[row[VERDICT]] === "divergent");
  const verdicts = boxes(by("verdicts"), VERDICT, data.verdicts, (name) => name === "divergent" || !fails);
  const severities = boxes(by("severities"), SEVERITY, data.severities, () => true);
  choices(by("endpoint"), ENDPOINT, data.endpoints);
  choices(by("cause"), CAUSE, data.causes.map((cause) => cause[NAME]));

  let shown = [];
  let drawn = 0;
  const refresh = () => {
    const [wanted, grave] = [verdicts(), severities()];
    const [endpoint, cause] = [by("endpoint").value, by("cause").value];
    const terms = by("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = data.findings.filter(
      (row) =>
        wanted.has(row[VERDICT]) &&
        grave.has(row[SEVERITY]) &&
        (endpoint === "" || row[ENDPOINT] === Number(endpoint)) &&
        (cause === "" || row[CAUSE] === Number(cause)) &&
        terms.every((term) => text(row).includes(term)),
    );
    by("list").replaceChildren();
    drawn = 0;
    draw();
    const all = data.findings.length;
    by("count").textContent = all ? `${number(shown.length)} of ${number(all)} findings` : "Nothing differed anywhere.";
  };
  const draw = () => {
    const next = shown.slice(drawn, drawn + CHUNK);
    by("list").append(...next.map((row, index) => item(row, drawn + index)));
    drawn += next.length;
    by("more").hidden = drawn >= shown.length;
    by("more").textContent = `Show ${number(Math.min(CHUNK, shown.length - drawn))} more of ${number(shown.length - drawn)}`;
  };

  // A finding

  const share = (row) => {
    const outer = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const inner = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    outer.setAttribute("class", "bar");
    outer.setAttribute("viewBox", "0 0 100 8");
    outer.setAttribute("preserveAspectRatio", "none");
    outer.setAttribute("aria-hidden", "true");
    inner.setAttribute("width", String(Math.max(0.8, 100 * row[SHARE])));
    inner.setAttribute("height", "8");
    outer.append(inner);
    return outer;
  };
  const item = (row, index) => {
    const severity = data.severities[row[SEVERITY]];
    const verdict = data.verdicts[row[VERDICT]];
    const what = make("span", "what", make("code", "", data.endpoints[row[ENDPOINT]]), make("code", "", place(row)));
    const notes = [verdict === "divergent" ? null : verdict, row[OWNER] < 0 ? null : data.owners[row[OWNER]]];
    if (row[FLAGS] & 1) notes.push(`${data.names[0]} is wrong`);
    if (row[FLAGS] & 2) notes.push(`${data.names[0]} itself varies here`);
    const said = notes.filter(Boolean).join(", ");
    const cause = make("span", "cause", data.causes[row[CAUSE]][NAME], said ? make("small", "", said) : null);
    const rate = row[SHARE] === null ? "" : ` (${percent(row[SHARE])})`;
    const seen = make("span", "seen", make("b", "", number(row[EXCHANGES])), `${rate}`, row[SHARE] === null ? null : share(row));
    const button = make("button", "row", make("span", `severity ${severity}`, severity), what, cause, seen);
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    const detail = make("div", "detail");
    detail.id = `detail-${index}`;
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
    if (!row[EXAMPLES].length) parts.push(make("p", "note", "No example found room in this file; the command above shows it."));
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

  const quoted = (value) => `'${value.replaceAll("'", "'\\''")}'`;
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

  // Keys

  const move = (step) => {
    const rows = [...document.querySelectorAll(".row")];
    const at = rows.indexOf(document.activeElement);
    if (at + step >= rows.length && !by("more").hidden) draw();
    const next = document.querySelectorAll(".row")[Math.max(0, at + step)];
    if (next) next.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "checkbox";
    if (event.key === "Escape" && event.target === by("search")) {
      by("search").value = "";
      refresh();
    }
    if (typing) return;
    if (event.key === "/") by("search").focus();
    else if (event.key === "j" || (event.key === "ArrowDown" && event.target.className === "row")) move(1);
    else if (event.key === "k" || (event.key === "ArrowUp" && event.target.className === "row")) move(-1);
    else return;
    event.preventDefault();
  });

  // An endpoint's name leads to its findings.
  for (const cell of document.querySelectorAll(".endpoints td:first-child")) {
    const index = data.endpoints.indexOf(cell.textContent);
    if (index < 0) continue;
    const button = make("button", "", ...cell.childNodes);
    button.type = "button";
    button.title = "Show its findings";
    button.addEventListener("click", () => {
      by("endpoint").value = String(index);
      refresh();
      by("findings").scrollIntoView();
      by("search").focus({ preventScroll: true });
    });
    cell.append(button);
  }

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

  for (const id of data.findings.length ? ["theme", "filters", "keys"] : ["theme"]) by(id).hidden = false;
  by("filters").addEventListener("submit", (event) => event.preventDefault());
  by("filters").addEventListener("input", refresh);
  by("more").addEventListener("click", draw);
  refresh();
})();
