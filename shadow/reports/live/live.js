(() => {
  const { by, make, number, percent, quoted, bar, findings, command, offerTheme } = shared;
  const EVERY_MS = 1000;
  const SLOWEST_MS = 5000; // between two attempts while nothing answers
  const PATIENCE_MS = 5000;
  const STILL_MS = 3000;
  const FEWEST = 0.5; // percent of a bar: one of a million is seen
  const OUTCOMES = ["match", "equivalent", "divergent", "incomparable", "skipped"];

  // Numbers and times as text

  const milliseconds = (microseconds) => {
    if (microseconds === null) return "–";
    const [value, unit] = microseconds >= 1e6 ? [microseconds / 1e6, "s"] : [microseconds / 1e3, "ms"];
    return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
  };
  const pair = ([one, other]) => (one === null && other === null ? "" : `${milliseconds(one)} → ${milliseconds(other)}`);
  const rate = (share) => (share === null ? "–" : `${Number((100 * share).toPrecision(2))}%`);
  const mebibytes = (bytes) => `${(bytes / 1048576).toFixed(1)} MiB`;
  const clock = (when) => new Date(when).toLocaleTimeString("en-GB");
  const moment = (when) => {
    const [day, today] = [when, Date.now()].map((each) => new Date(each).toLocaleDateString("sv"));
    const time = make("time", "", day === today ? clock(when) : `${day} ${clock(when)}`);
    time.dateTime = when;
    return time;
  };
  const widths = (counts) => {
    const total = counts.reduce((sum, [, count]) => sum + count, 0);
    const parts = counts.filter(([, count]) => count).map(([name, count]) => [name, Math.max(FEWEST, (100 * count) / total)]);
    const scale = 100 / parts.reduce((sum, [, width]) => sum + width, 0);
    return parts.map(([name, width]) => [name, width * scale]);
  };

  // What is there is changed only where it differs, so that nothing flickers or loses the focus.

  const put = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };
  const name = (element, text) => {
    if (element.className !== text) element.className = text;
  };

  // Rows by their keys. While somebody points, types or touches there, none comes, goes or moves;
  // the caller is told how many wait.
  const rows = (list, fresh, keyed) => {
    const known = new Map();
    let touched = -Infinity;
    const touch = () => (touched = performance.now());
    for (const kind of ["pointermove", "pointerdown", "keydown", "focusin"]) list.addEventListener(kind, touch);
    return (items) => {
      const still = performance.now() - touched < STILL_MS;
      const times = new Map();
      const wanted = [];
      let waiting = 0;
      for (const item of items) {
        const key = keyed(item);
        times.set(key, (times.get(key) || 0) + 1);
        const whole = `${times.get(key)} ${key}`;
        if (!known.has(whole) && still) {
          waiting += 1;
          continue;
        }
        if (!known.has(whole)) known.set(whole, fresh(item));
        const row = known.get(whole);
        row.update(item);
        wanted.push([whole, row.element]);
      }
      if (!still) arrange(list, known, wanted);
      return waiting;
    };
  };
  const arrange = (list, known, wanted) => {
    const focused = list.contains(document.activeElement) ? document.activeElement : null;
    const kept = new Set(wanted.map(([key]) => key));
    for (const [key, row] of [...known]) {
      if (kept.has(key)) continue;
      row.element.remove();
      known.delete(key);
    }
    wanted.forEach(([, element], place) => {
      if (list.children[place] !== element) list.insertBefore(element, list.children[place] || null);
    });
    while (list.children.length > wanted.length) list.lastChild.remove();
    if (focused && list.contains(focused) && document.activeElement !== focused) focused.focus({ preventScroll: true });
  };
  const empty = (list, columns, text) => {
    if (list.children.length) return;
    const cell = make("td", "", text);
    cell.colSpan = columns;
    list.append(make("tr", "none", cell));
  };
  const routeCell = () => {
    const [route, all] = [make("code"), make("small")];
    const show = (text) => {
      put(route, text);
      put(all, text === "*" ? " all routes" : "");
    };
    return { element: make("td", "", route, all), show };
  };
  const body = (table) => document.querySelector(`table.${table} tbody`);
  const figure = () => {
    const [drawn, text] = [bar([]), make("span")];
    return { element: make("div", "figure", drawn, text), show: (parts, said) => (bar(parts, drawn), put(text, said)) };
  };
  const left = (id, count, what) => put(by(id), count ? `and ${number(count)} more ${what}` : "");

  // The head

  const legend = OUTCOMES.map((outcome) => {
    const [mark, count] = [make("i", outcome), make("b", "", "0")];
    const item = make("li", "none", mark, `${outcome} `, count);
    by("legend").append(item);
    return (value) => {
      put(count, number(value));
      name(item, value ? "" : "none");
    };
  });
  const drawHead = (live) => {
    const [go, rust] = live.findings.names;
    put(by("names"), `live · ${go} vs ${rust}`);
    put(by("candidate"), rust);
    put(by("sides"), `${go} → ${rust}`);
    put(by("word"), live.headline.word);
    name(by("word"), `verdict ${live.headline.word.toLowerCase()}`);
    put(by("said"), live.headline.text);
    put(by("judged"), live.headline.judged);
    put(by("origin"), `${live.origin} · since ${moment(live.started).textContent}`);
    bar(widths(OUTCOMES.map((outcome) => [outcome, live.outcomes[outcome]])), by("outcomes"));
    OUTCOMES.forEach((outcome, index) => legend[index](live.outcomes[outcome]));
  };

  // Health

  const tiles = ["Copies waiting", "Copies shed", "Store", "Flags"].map((title) => {
    const [value, about] = [make("dd", "value"), make("dd", "about")];
    by("tiles").append(make("div", "", make("dt", "", title), value, about));
    return (state, said, more) => {
      name(value, `value ${state}`);
      put(value, said);
      put(about, more);
    };
  });
  const drawTiles = ({ queue, store, flags }) => {
    const full = queue.capacity > 0 && queue.depth >= 0.8 * queue.capacity;
    tiles[0](full ? "warn" : "", `${number(queue.depth)} of ${number(queue.capacity)}`, `${mebibytes(queue.bytes)} of ${mebibytes(queue.max_bytes)}`);
    const sheds = queue.sheds.map(([reason, count]) => `${reason} ${number(count)}`);
    tiles[1](queue.shed ? "warn" : "", number(queue.shed), sheds.join(", ") || "every copy was taken");
    const lost = store.lost ? `; ${number(store.lost)} records lost` : "";
    const who = store.shared ? "shared with other sidecars" : "this sidecar is alone on it";
    tiles[2](store.error ? "bad" : store.lost ? "warn" : "", store.error ? "Failing" : "Kept", (store.error || who) + lost);
    const read = flags.loaded ? `read ${moment(flags.loaded).textContent}` : "never read, so all is on the safe side";
    if (!flags.path) tiles[3]("", "None", "only operators move traffic");
    else tiles[3](flags.error ? "bad" : "", flags.error ? "Broken" : `Version ${number(flags.generation)}`, flags.error ? `${flags.error}; ${read}` : read);
  };

  // Routes and guards

  const routeRow = () => {
    const [route, served] = [routeCell(), figure()];
    const [state, since, who, reason] = [make("span"), make("small"), make("td"), make("td", "reason")];
    const stand = make("td", "stand", state, since);
    const element = make("tr", "", route.element, stand, make("td", "bars", served.element), who, reason);
    const update = (each) => {
      route.show(each.route);
      const weight = each.weight === null ? (each.percent || 0) / 100 : each.weight;
      const parts = [["candidate", 100 * weight], ["baseline", 100 - 100 * weight]];
      served.show(parts.filter(([, width]) => width), weight ? percent(weight) : "none");
      name(stand, `stand ${each.latched ? "latched" : each.percent === null ? "" : "override"}`);
      put(state, each.latched ? "Latched on go" : each.percent === null ? "By the flag" : "By an operator");
      const when = each.latched ? each.since : each.at;
      put(since, when ? `since ${moment(when).textContent}` : "");
      put(who, each.by);
      put(reason, each.reason);
    };
    return { element, update };
  };
  const guardRow = () => {
    const [route, evidence] = [routeCell(), figure()];
    const [guard, hits, trials, upper] = [make("td"), make("td", "n"), make("td", "n"), make("td", "n")];
    const element = make("tr", "", route.element, guard, make("td", "bars", evidence.element), hits, trials, upper);
    const update = (each) => {
      route.show(each.route);
      put(guard, each.guard);
      put(hits, number(each.x));
      put(trials, number(each.n));
      put(upper, rate(each.upper));
      evidence.show([[each.tripped ? "tripped" : "evidence", 100 * each.evidence]], each.tripped ? "tripped" : each.evidence ? percent(each.evidence) : "none");
    };
    return { element, update };
  };
  const drawRoutes = rows(body("routes"), routeRow, (each) => each.route);
  const drawGuards = rows(body("guards"), guardRow, (each) => `${each.guard} ${each.route}`);

  // What to type; the page itself changes nothing.
  let acts = "";
  const drawActs = (live) => {
    const latched = live.routes.filter((each) => each.latched).slice(0, 3);
    const why = `--admin ${location.origin} --reason 'why'`;
    const lines = latched.map((each) => `shadow route reset ${quoted(each.route)} ${why}`);
    if (!latched.some((each) => each.route === "*")) lines.unshift(`shadow route abort ${why}`);
    if (lines.join("\n") === acts) return;
    acts = lines.join("\n");
    by("act").replaceChildren(make("p", "note", "From a terminal that has SHADOW_ADMIN_TOKEN:"), ...lines.map(command));
  };

  // Findings and endpoints

  const findingRow = ({ row, of, key, note }) => {
    const element = of.item(row, key, note);
    const button = element.firstChild;
    let last = JSON.stringify([row, note]);
    const update = (each) => {
      const next = JSON.stringify([each.row, each.note]);
      if (next !== last) button.replaceChildren(...each.of.face(each.row, each.note));
      last = next;
    };
    return { element, update };
  };
  const drawFindings = rows(by("list"), findingRow, (each) => each.key);
  const listFindings = (live) => {
    const of = findings(live.findings);
    const items = live.findings.findings.map((row, index) => {
      const [first, last] = live.seen[index].map((when) => moment(when).textContent);
      // A row is known by its signature and by how it was judged.
      return { row, of, key: [row[0], row[6], row[7]].join("-"), note: first === last ? `at ${first}` : `${first} to ${last}` };
    });
    const waiting = drawFindings(items);
    const all = items.length + live.findings_left;
    const parts = all ? [`${number(items.length)} of ${number(all)} findings that nothing excuses, the newest first`] : ["Nothing differed so far that is not excused"];
    if (live.excused) parts.push(`${number(live.excused)} excused`);
    if (live.findings_left) parts.push(`all of them: shadow report ${live.findings.run} --all`);
    if (waiting) parts.push(`${number(waiting)} newer in a moment`);
    put(by("count"), parts.join("; "));
  };

  const endpointRow = () => {
    const [endpoint, exchanges, divergent, p50, p99] = [make("code"), make("td", "n"), make("td", "n"), make("td", "n"), make("td", "n")];
    const outcomes = bar([]);
    const element = make("tr", "", make("td", "", endpoint), exchanges, make("td", "bars", outcomes), divergent, p50, p99);
    const update = (each) => {
      const compared = each.match + each.equivalent + each.divergent;
      put(endpoint, each.endpoint);
      put(exchanges, number(OUTCOMES.reduce((sum, outcome) => sum + each[outcome], 0)));
      bar(widths(OUTCOMES.map((outcome) => [outcome, each[outcome]])), outcomes);
      put(divergent, compared ? percent(each.divergent / compared) : "");
      put(p50, pair(each.p50));
      put(p99, pair(each.p99));
    };
    return { element, update };
  };
  const drawEndpoints = rows(body("endpoints"), endpointRow, (each) => each.endpoint);

  const draw = (live) => {
    drawHead(live);
    drawTiles(live);
    drawRoutes(live.routes);
    left("routes-left", live.routes_left, "that go serves whole and nobody has changed");
    drawActs(live);
    drawGuards(live.guards);
    left("guards-left", live.guards_left, "with less evidence");
    listFindings(live);
    drawEndpoints(live.endpoints);
    left("endpoints-left", live.endpoints_left, "with fewer divergences");
    empty(body("routes"), 5, "No route yet.");
    empty(body("guards"), 6, "No guard has seen anything yet.");
    empty(body("endpoints"), 6, "No exchange yet.");
  };

  // The connection

  let updated = 0;
  let failures = 0;
  const connection = (state, word, about) => {
    name(document.documentElement, [...document.documentElement.classList].filter((each) => ["dark", "light"].includes(each)).concat(state).join(" "));
    put(by("connection"), word); // a screen reader hears a change, not each second
    put(by("updated"), about);
    document.title = `${state === "lost" ? "(lost) " : ""}${by("word").textContent} | shadow live`;
  };
  const show = (live) => {
    draw(live);
    updated = live.at;
    failures = 0;
    connection("connected", "Live", `updated ${clock(updated)}`);
  };
  const poll = async () => {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    try {
      const answer = await fetch("live.json", { signal, cache: "no-store", credentials: "same-origin", redirect: "error" });
      if (answer.status === 401) {
        by("again").hidden = false;
        connection("lost", "Signed out", "");
        return;
      }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      show(await answer.json());
    } catch {
      failures += 1;
      connection("lost", "Connection lost", `showing ${clock(updated)}`);
    }
    setTimeout(next, Math.min(SLOWEST_MS, EVERY_MS * Math.max(1, failures)));
  };
  // A page that nobody sees asks for nothing.
  const next = () => {
    if (!document.hidden) poll();
    else document.addEventListener("visibilitychange", next, { once: true });
  };

  const move = (step) => {
    const all = [...document.querySelectorAll(".row")];
    const to = all[Math.max(0, all.indexOf(document.activeElement) + step)];
    if (to) to.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else return;
    event.preventDefault();
  });

  offerTheme();
  show(JSON.parse(by("data").textContent));
  setTimeout(next, EVERY_MS);
})();
