"use strict";
(() => {
  const EVERY = 2000; // milliseconds between two questions
  const by = (id) => document.getElementById(id);
  const frame = by("report");
  const links = by("links");
  let shown = 0;

  // The reader's place in the report, its filter and its sorting outlast a new report.
  function place() {
    const page = frame.contentDocument;
    const sorted = page && page.querySelector("#ranked thead [aria-sort]");
    const filter = page && page.getElementById("filter");
    return {
      scroll: frame.contentWindow.scrollY,
      filter: filter ? filter.value : "",
      column: sorted ? sorted.cellIndex : 0,
      order: sorted ? sorted.getAttribute("aria-sort") : "ascending",
    };
  }
  function restore(before) {
    const page = frame.contentDocument;
    const filter = page.getElementById("filter");
    if (filter && before.filter) {
      filter.value = before.filter;
      filter.dispatchEvent(new Event("input"));
    }
    const heads = page.querySelectorAll("#ranked thead th");
    const head = heads[before.column];
    for (let click = 0; head && click < 2 && head.getAttribute("aria-sort") !== before.order; click++)
      head.querySelector("button").click();
    frame.contentWindow.scrollTo(0, before.scroll);
  }
  function show(version) {
    const before = shown ? place() : null;
    shown = version;
    frame.addEventListener("load", () => before && restore(before), { once: true });
    frame.src = "report/index.html?version=" + version;
  }

  function count(state) {
    const left = state.planned - state.done - state.failed;
    const far = by("far");
    far.textContent = `${state.done} of ${state.planned} ${state.noun} done, ${state.failed} failed `;
    if (left > 0 || state.failed > 0) {
      const mark = document.createElement("span");
      mark.className = "partial";
      mark.textContent = "partial";
      far.append(mark);
    }
    by("bar").value = state.planned ? (state.done + state.failed) / state.planned : 0;
    const failed = by("failed");
    failed.hidden = state.reasons.length === 0;
    failed.querySelector("summary").textContent = `${state.failed} ${state.noun} failed`;
    failed.querySelector("ul").replaceChildren(
      ...state.reasons.map(([reason, times]) => {
        const entry = document.createElement("li");
        entry.textContent = `${times} × ${reason}`;
        return entry;
      }),
    );
  }
  function link(name, to) {
    const id = "link-" + name;
    const there = by(id);
    const entry = document.createElement(to.link ? "a" : "span");
    entry.id = id;
    entry.textContent = to.link ? name : `${name}: ${to.state}`;
    if (to.link) {
      entry.href = to.link;
      entry.target = "_blank";
    }
    if (there) there.replaceWith(entry);
    else links.append(entry);
  }

  async function ask() {
    try {
      const state = await (await fetch("state.json")).json();
      by("problem").hidden = !state.problem;
      by("problem").textContent = state.problem || "";
      if (state.noun) count(state);
      else by("far").textContent = "reading the cells …";
      for (const [name, to] of Object.entries(state.links)) link(name, to);
      if (state.version > shown && (by("follow").checked || !shown)) show(state.version);
    } catch {
      by("problem").hidden = false;
      by("problem").textContent = "madv ui has ended; what is shown stays as it is.";
    }
    setTimeout(ask, EVERY);
  }
  ask();
})();
