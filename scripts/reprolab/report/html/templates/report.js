"use strict";
// Draws the charts when they come into view, and puts the logs of the chosen variants side by side.
const report = JSON.parse(document.getElementById("charts").textContent);

function seconds(ms) { return (ms / 1000).toFixed(ms % 100 ? 3 : 1).replace("-", "−") + " s"; }

function steps(item) {
  const rows = [], longest = Math.max(0, ...item.responses.map((counts) => counts.length));
  for (let i = 0; i < longest; i++) {
    const stacks = [];
    item.responses.forEach((counts, status) => {
      const n = counts[i] || 0, from = i * item.step, lane = item.places[status], below = stacks[lane] || 0;
      if (!n) return;
      rows.push({
        t: from / 1000, u: (from + item.step) / 1000, g: lane, a: below, b: below + n, s: item.statuses[status], n,
        d: seconds(from) + " to " + seconds(from + item.step),
      });
      stacks[lane] = below + n;
    });
  }
  return rows;
}

function events(item) {
  return item.events.map(([from, to, lane, kind, text, source]) => ({
    t: from / 1000, u: to / 1000, l: item.lanes[lane], k: report.kinds[kind], x: text, f: source,
    d: to > from ? seconds(from) + " to " + seconds(to) : seconds(from),
  }));
}

function series(item) {
  const rows = [];
  for (const [service, points] of Object.entries(item.services)) {
    for (const [t, ...values] of points) {
      values.forEach((v, row) => { if (v !== null) rows.push({ t, s: service, m: row, v }); });
    }
  }
  return rows;
}

const datasets = {
  rates: (item) => ({ rates: item.rows }),
  curve: (item) => ({ curve: item.rows }),
  series: (item) => ({ series: series(item) }),
  timeline: (item) => ({ steps: steps(item), events: events(item) }),
};

function draw(element) {
  const item = report.charts[element.id];
  if (!item || element.dataset.drawn) return;
  element.dataset.drawn = "begun";
  const spec = Object.assign({}, report.specs[item.spec]);
  spec.datasets = Object.assign({}, spec.datasets, datasets[item.kind](item));
  if (item.kind === "rates") spec.height = 24 * item.rows.length;
  vegaEmbed(element, spec, { renderer: "svg", actions: false }).then(
    ({ view }) => { element.view = view; element.dataset.drawn = "done"; },
    (error) => { element.textContent = "This chart could not be drawn: " + error; console.error(error); },
  );
}

// A chart has no width before it is visible. A chart in a closed <details> is drawn when that is opened.
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) { watcher.unobserve(entry.target); draw(entry.target); }
}, { rootMargin: "600px" });
for (const element of document.querySelectorAll(".chart")) watcher.observe(element);

// For print, the two charts at the top get the width that each has on a page of A4. A drawing that was made for a screen
// would be scaled, and its words with it.
const PRINTED = 350;
addEventListener("beforeprint", () => {
  for (const element of document.querySelectorAll(".opening .chart")) {
    if (element.view) element.view.width(PRINTED).runAsync();
    else draw(element);
  }
});
addEventListener("afterprint", () => dispatchEvent(new Event("resize")));

function fill(pane) {
  const chosen = document.getElementById("logs-of-" + pane.querySelector("select").value);
  const file = document.getElementById("which-log");
  const body = pane.querySelector(".logs");
  body.replaceChildren(chosen.content.cloneNode(true));
  for (const log of body.querySelectorAll(".log")) log.hidden = Boolean(file.value) && log.dataset.file !== file.value;
}
const panes = [...document.querySelectorAll(".pane")];
for (const pane of panes) {
  pane.querySelector("select").addEventListener("change", () => fill(pane));
  // A browser that returns to the page may have kept another choice.
  fill(pane);
}
const which = document.getElementById("which-log");
if (which) which.addEventListener("change", () => panes.forEach(fill));
