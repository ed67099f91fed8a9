// Keeps the page of now as it is: figures, bar, map and findings by server-sent events, everything else by loading
// the page again behind the scenes when its form changes. Texts reach the page as text and never as markup.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  let source = null, levels = [], said = -1, openBefore = "", waiting = 0;
  const root = () => document.getElementById("now");
  const one = (selector) => root().querySelector(selector);
  const connection = (text) => { const place = one("[data-connection]"); if (place) place.textContent = text; };

  function figures(values) {
    for (const place of root().querySelectorAll("[data-live]")) {
      const text = values[place.dataset.live];
      if (text !== undefined && place.textContent !== text) place.textContent = text;
    }
    const bar = one("[data-bar]"), tone = one("[data-tone]");
    if (bar && values.permille !== undefined) bar.value = Number(values.permille);
    if (tone && values.tone !== undefined) tone.className = `tone ${values.tone}`;
    tell(values);
  }

  // A screen reader hears every tenth part, and whatever is found; not every second.
  function tell(values) {
    const tenth = Math.floor(Number(values.permille || 0) / 100);
    const found = openBefore !== "" && values.open !== openBefore;
    if (values.open === undefined || (tenth === said && !found)) return;
    if (said !== -1) one("[data-said]").textContent = `${values.share} asked, ${values.open} open. ${values.note}`;
    said = tenth; openBefore = values.open;
  }

  function map(changed) {
    const svg = one("svg.fill");
    if (!svg) return;
    const cells = svg.dataset.cells.split(" ");
    const touched = new Set();
    for (const [at, level] of changed) {
      if (levels[at] === level) continue;
      touched.add(levels[at]).add(level);
      levels[at] = level;
    }
    if (levels.length !== cells.length) return;
    for (const level of touched) {
      const path = svg.querySelector(`.f${level}`);
      if (!path) continue;
      let drawn = "";
      for (let at = 0; at < cells.length; at++) if (levels[at] === level) drawn += `M${cells[at].replace(",", " ")}h1v1h-1z`;
      path.setAttribute("d", drawn);
    }
  }

  function dots(list) {
    const group = one("svg.fill .f-dots");
    if (!group) return;
    const radius = group.ownerSVGElement.dataset.radius;
    group.replaceChildren(...list.map(([x, y, severity]) => {
      const dot = document.createElementNS(SVG, "circle");
      dot.setAttribute("cx", x); dot.setAttribute("cy", y); dot.setAttribute("r", radius);
      dot.setAttribute("class", `s-${severity}`);
      return dot;
    }));
  }

  function cell(name, text, kind) {
    const made = document.createElement(name);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  function found(list) {
    const body = one("[data-found]");
    if (!body) return;
    body.replaceChildren(...list.map(([place, severity, , owner, at]) => {
      const row = document.createElement("tr"), head = cell("th", place, "mono");
      const rank = document.createElement("td"), whose = document.createElement("td");
      head.scope = "row";
      rank.append(cell("span", severity, `severity ${severity}`));
      whose.append(cell("bdi", owner));
      row.append(cell("td", at), head, rank, whose);
      return row;
    }));
    one("[data-none]").hidden = list.length > 0;
  }

  function take(data) {
    if (data.figures) figures(data.figures);
    if (data.levels !== undefined) {
      const shown = one("svg.fill");
      levels = shown ? [...shown.dataset.levels].map(Number) : [];
      map([...data.levels].map((level, at) => [at, Number(level)]));
      if (shown) shown.dataset.levels = data.levels;
    }
    if (data.cells) map(data.cells);
    if (data.dots) dots(data.dots);
    if (data.found) found(data.found);
    if (data.key && data.key !== root().dataset.key) redraw();
    else connection("Live.");
  }

  // All open pages see the change at the same moment; they do not come back at the same moment.
  function redraw() {
    if (waiting) return;
    waiting = setTimeout(async () => {
      waiting = 0;
      try {
        const answer = await fetch("/", { credentials: "same-origin", redirect: "error" });
        if (!answer.ok) throw new Error(String(answer.status));
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("now");
        if (!fresh) throw new Error("another page");
        const old = root(), typing = old.contains(document.activeElement) ? path(document.activeElement) : null;
        const opened = [...old.querySelectorAll("details")].map((each) => each.open);
        const made = document.importNode(fresh, true);
        made.querySelectorAll("details").forEach((each, at) => { each.open = Boolean(opened[at]); });
        old.replaceWith(made);
        if (typing) made.querySelector(typing)?.focus({ preventScroll: true });
        said = -1; openBefore = "";
        setTimeout(() => { one("[data-said]").textContent = one("h1").textContent; }, 100); // once it is heard
        connect();
      } catch {
        connection("What is shown may be old: the page could not be loaded again.");
      }
    }, 200 + Math.random() * 2500);
  }

  // Where the focus was, in the words of the page: the button of the same order, or the element of the same id.
  function path(element) {
    if (element.id) return `#${CSS.escape(element.id)}`;
    const label = element.getAttribute("aria-label");
    return label ? `[aria-label="${CSS.escape(label)}"]` : null;
  }

  function disconnect() {
    if (source) source.close();
    source = null;
  }

  // A browser keeps few connections to one host: a page that nobody sees gives its own back.
  function connect() {
    disconnect();
    if (document.hidden) return;
    source = new EventSource("/events");
    source.addEventListener("all", (event) => take(JSON.parse(event.data)));
    source.addEventListener("change", (event) => take(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      const gone = source && source.readyState === EventSource.CLOSED;
      connection(gone ? "Not live: load the page again to see what has changed." : "Not live: connecting again.");
      if (gone) { disconnect(); setTimeout(() => { if (!source) connect(); }, 60000); }
    });
  }

  document.addEventListener("visibilitychange", connect);
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  connect();
})();
