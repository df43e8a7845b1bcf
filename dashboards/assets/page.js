"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const NARROW = 560; // pixels: below this, row labels are wrapped and legends stacked
  const PRINTED = 680; // pixels: width of a figure on paper

  // "@worse" or "@line0/0.1" in a figure is a colour of the style sheet, so that light, dark and print need one figure.
  function colour(name) {
    const [variable, opacity] = name.slice(1).split("/");
    const value = getComputedStyle(document.documentElement).getPropertyValue("--" + variable).trim();
    if (!opacity) return value;
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(value.slice(at, at + 2), 16));
    return `rgba(${r},${g},${b},${opacity})`;
  }
  function resolved(value, key) {
    if (Array.isArray(value)) return value.map((entry) => resolved(entry, key));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([k, entry]) => [k, resolved(entry, k)]));
    return /color$/.test(key || "") && typeof value === "string" && value[0] === "@" ? colour(value) : value;
  }
  const shortened = (line, most) => (line.length > most ? line.slice(0, most - 1).replace(/&[^;]*$/, "") + "…" : line);
  function wrapped(label, most, lines) {
    const written = [""];
    for (const word of label.split(" ")) {
      const last = written[written.length - 1];
      if (last && last.length + word.length > most) written.push(word);
      else written[written.length - 1] = last ? last + " " + word : word;
    }
    if (written.length > lines) written.splice(lines - 1, Infinity, written[lines - 1] + "…");
    return written.map((line) => shortened(line, most + 8)).join("<br>");
  }
  function draw(figure, width) {
    const place = document.getElementById("plot-" + figure.name);
    const wide = width || place.clientWidth;
    const layout = resolved(figure.layout);
    const axis = { gridcolor: colour("@rule"), zerolinecolor: colour("@rule"), linecolor: colour("@rule"), automargin: true, fixedrange: true, showline: false };
    layout.xaxis = { ...axis, ...layout.xaxis };
    layout.yaxis = { ...axis, ...layout.yaxis };
    layout.xaxis.title = { ...layout.xaxis.title, standoff: 10 };
    const rows = (layout.yaxis.ticktext || []).length;
    if (rows) layout.yaxis.ticktext = layout.yaxis.ticktext.map((label) => wrapped(label, wide < NARROW ? 14 : 40, wide < NARROW ? 3 : 2));
    if (wide < NARROW && rows) layout.height += rows * 10 + 50;
    const entries = layout.meta ? layout.meta.legendRows : 0;
    layout.height += Math.ceil(entries / (wide < NARROW ? 1 : 2)) * 19;
    place.style.minHeight = layout.height + "px";
    layout.width = wide;
    layout.margin = { l: 48, r: 16, t: rows && layout.showlegend ? 40 : 12, b: 60, pad: 4 };
    layout.font = { family: getComputedStyle(document.body).fontFamily, size: wide < NARROW ? 12 : 13, color: colour("@ink") };
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.hoverlabel = { bgcolor: colour("@panel"), bordercolor: colour("@faint"), font: { color: colour("@ink") }, align: "left" };
    const traces = resolved(figure.traces);
    for (const trace of traces) if (trace.name) trace.name = shortened(trace.name, wide < NARROW ? 36 : 60);
    Plotly.react(place, traces, layout, { displaylogo: false, displayModeBar: false, responsive: false });
  }
  function drawAll(width) { for (const figure of figures) draw(figure, width); }

  // One figure at a time, so that the table can be read and used at once; those in sight come first.
  const waiting = new Set(figures);
  const distance = (figure) => Math.abs(document.getElementById("plot-" + figure.name).getBoundingClientRect().top);
  function drawNext() {
    const next = [...waiting].sort((a, b) => distance(a) - distance(b))[0];
    if (!next) return;
    waiting.delete(next);
    draw(next);
    setTimeout(drawNext);
  }
  setTimeout(drawNext);

  const again = () => { for (const figure of figures) if (!waiting.has(figure)) draw(figure); };
  let resizing = 0;
  let lastWidth = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === lastWidth) return; // a phone's address bar changes the height alone
    lastWidth = innerWidth;
    clearTimeout(resizing);
    resizing = setTimeout(again, 120);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  matchMedia("print").addEventListener("change", (event) => (event.matches ? drawAll(PRINTED) : again()));

  const table = document.getElementById("ranked");
  const body = table.tBodies[0];
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("th");
    if (!head) return;
    const column = head.cellIndex;
    const numeric = !head.classList.contains("name") && !head.classList.contains("verdictcell");
    const before = head.getAttribute("aria-sort");
    // Scores are first wanted with the best on top, names and ranks from the start.
    const descending = before ? before === "ascending" : numeric && column > 0;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const value = (row) => row.cells[column].dataset.sort;
    const order = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === ""); // what is missing stays last
      const difference = numeric ? Number(x) - Number(y) : NaN; // a setting may be a word
      const sign = Number.isNaN(difference) ? x.localeCompare(y, undefined, { numeric: true }) : difference;
      return descending ? -sign : sign;
    };
    body.append(...[...body.rows].sort(order));
  });
  document.getElementById("filter").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of body.rows) {
      const name = row.cells[1].dataset.sort.toLowerCase();
      row.hidden = !words.every((word) => name.includes(word));
    }
    const left = [...body.rows].filter((row) => !row.hidden).length;
    document.getElementById("left").textContent = words.length ? `${left || "none"} of ${body.rows.length}` : "";
  });
})();
