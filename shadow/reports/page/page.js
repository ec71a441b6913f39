(() => {
  const { by, make, number, findings, offerTheme, ENDPOINT, CAUSE, SEVERITY, VERDICT, NAME } = shared;
  const data = JSON.parse(document.getElementById("data").textContent);
  const CHUNK = 100;
  const { text, item } = findings(data);

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

  if (data.findings.length) for (const id of ["filters", "keys"]) by(id).hidden = false;
  by("filters").addEventListener("submit", (event) => event.preventDefault());
  by("filters").addEventListener("input", refresh);
  by("more").addEventListener("click", draw);
  refresh();
  offerTheme();
})();
