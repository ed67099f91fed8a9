// What a page does beyond being read: the button for light and dark, and the table sorted, filtered and by pages.
// Texts reach the page as text (`textContent`) and never as markup.
"use strict";
(() => {
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  const source = document.getElementById("data");
  if (!source) return;
  const { heads, severities, kinds, texts, rows, static: most } = JSON.parse(source.textContent);
  const F = { id: 0, state: 1, address: 2, names: 3, owner: 4, severity: 5, holds: 6, seconds: 7, lasted: 8, bytes: 9, size: 10, pressing: 11, stretches: 12, events: 13, earlier: 14 };
  for (const row of rows) {
    for (const field of [F.state, F.owner, F.lasted, F.pressing]) row[field] = texts[row[field]];
    row[F.events] = row[F.events].map(([at, kind, day]) => [at, texts[kind], texts[day]]);
  }
  const TEXT_OF = [F.severity, F.state, F.address, F.owner, F.holds, F.bytes, F.seconds, null];
  const PAGE = 100;
  const body = document.getElementById("rows");
  const more = document.getElementById("more");
  const state = { column: -1, down: true, page: 0, shown: rows };

  const make = (name, attributes, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const draw = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const percent = (part) => `${Number((part / 10).toFixed(2))}%`;
  const count = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

  const named = (number) => `${count(number)} exposure${number === 1 ? "" : "s"}`;

  function strip(row) {
    const svg = draw("svg", { class: "strip", "aria-hidden": "true", focusable: "false" });
    svg.append(draw("rect", { y: 9, width: "100%", height: 2, class: "rail" }));
    for (const [begin, end, open] of row[F.stretches])
      svg.append(draw("rect", { x: percent(begin), y: 5, width: percent(Math.max(end - begin, 6)), height: 10, class: open ? "t-open" : "t-maybe" }));
    for (const [at, kind] of row[F.events])
      svg.append(draw("circle", { cx: percent(at), cy: 10, r: 4, class: `t-${kind}` }));
    return svg;
  }
  function life(row) {
    const parts = [strip(row)];
    const changes = row[F.events].length + row[F.earlier];
    if (changes) {
      const list = make("ol", {});
      if (row[F.earlier]) list.append(make("li", {}, `${count(row[F.earlier])} earlier ones`));
      for (const [, kind, day] of row[F.events]) list.append(make("li", {}, `${day} ${kinds[kind]}`));
      parts.push(make("details", {}, make("summary", {}, `${count(changes)} change${changes === 1 ? "" : "s"}`), list));
    }
    return make("div", {}, ...parts);
  }
  function cell(column, child, name) {
    const found = make("td", { role: "cell", "data-label": heads[column] }, child);
    if (name) found.className = name;
    return found;
  }
  function line(row) {
    const severity = severities[row[F.severity]];
    const where = make("span", {}, make("span", { class: "mono" }, row[F.address]));
    if (row[F.names]) where.append(make("br", {}), make("bdi", {}, row[F.names]));
    where.append(make("br", {}), make("span", { class: "soft mono" }, row[F.id]));
    const standing = make("span", {}, row[F.state]);
    if (row[F.pressing]) standing.append(make("br", {}), row[F.pressing]);
    return make("tr", { role: "row" },
      cell(0, make("span", { class: `severity ${severity}` }, severity)),
      cell(1, standing),
      make("th", { scope: "row", role: "rowheader", "data-label": heads[2] }, where),
      cell(3, make("bdi", {}, row[F.owner])),
      cell(4, make("bdi", {}, row[F.holds])),
      cell(5, row[F.size], "number"),
      cell(6, row[F.lasted]),
      cell(7, life(row), "life"));
  }

  const words = document.getElementById("words");
  const onlyState = document.getElementById("only-state");
  const onlySeverity = document.getElementById("only-severity");
  const back = document.getElementById("back");
  const next = document.getElementById("next");
  const where = document.getElementById("page");

  function show(limit = PAGE) {
    const first = state.page * PAGE;
    const part = state.shown.slice(limit === PAGE ? first : 0, limit === PAGE ? first + PAGE : limit);
    body.replaceChildren(...part.map(line));
    const all = rows.length === state.shown.length ? named(rows.length) : `${count(state.shown.length)} of ${named(rows.length)}`;
    more.textContent = state.shown.length > part.length ? `${all}; ${count(limit === PAGE ? first + 1 : 1)} to ${count((limit === PAGE ? first : 0) + part.length)} are shown.` : `${all}.`;
    const pages = Math.max(1, Math.ceil(state.shown.length / PAGE));
    where.textContent = `page ${state.page + 1} of ${pages}`;
    back.disabled = state.page === 0;
    next.disabled = state.page >= pages - 1;
    back.parentElement.hidden = pages === 1;
  }
  function choose() {
    const wanted = words.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    state.shown = rows.filter((row) => {
      if (onlySeverity.value && severities[row[F.severity]] !== onlySeverity.value) return false;
      if (onlyState.value && !row[F.state].startsWith(onlyState.value)) return false;
      if (!wanted.length) return true;
      const text = [row[F.id], row[F.address], row[F.names], row[F.owner], row[F.holds], row[F.pressing], row[F.state]].join(" ").toLowerCase();
      return wanted.every((word) => text.includes(word));
    });
    if (state.column >= 0) {
      const field = TEXT_OF[state.column];
      const way = state.down ? -1 : 1;
      const order = (a, b) => (typeof a === "number" ? a - b : a < b ? -1 : a > b ? 1 : 0);
      state.shown = state.shown.slice().sort((a, b) => way * order(a[field], b[field]));
    }
    state.page = 0;
    show();
  }

  document.querySelectorAll("#exposures thead th").forEach((head, column) => {
    if (TEXT_OF[column] === null) return;
    const button = make("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    addEventListener("beforeprint", () => head.replaceChildren(button.textContent)); // paper repeats no button
    addEventListener("afterprint", () => head.replaceChildren(button));
    button.addEventListener("click", () => {
      const number = typeof rows[0]?.[TEXT_OF[column]] === "number";
      state.down = state.column === column ? !state.down : number;
      state.column = column;
      document.querySelectorAll("#exposures thead th").forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      choose();
    });
  });
  words.addEventListener("input", choose);
  onlyState.addEventListener("change", choose);
  onlySeverity.addEventListener("change", choose);
  back.addEventListener("click", () => { state.page -= 1; show(); });
  next.addEventListener("click", () => { state.page += 1; show(); });
  addEventListener("beforeprint", () => show(most));
  addEventListener("afterprint", () => show());
  document.getElementById("tools").hidden = false;
  choose();
})();
