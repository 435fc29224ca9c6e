// Results as a table of images: references and their fixed settings down, a grouping across.
let facesObserver = null;
const CELLS = 90;  // of a page of the table

function showFaces(list, names) {
  const rest = data.axes.filter((name) => !names.includes(name));
  const groups = groupBySettings(list, names);
  const references = sortedReferences(list);
  const table = make("table", {}, make("thead", {}, make("tr", {},
    make("th", { scope: "col" }, "reference"),
    rest.length > 0 && make("th", { scope: "col" }, rest.map(label).join(", ")),
    ...groups.map(([, [run]]) => make("th", { scope: "col" }, heading(run, names))),
  )));
  facesObserver?.disconnect();
  if (!byId("size").dataset.chosen) {
    const width = byId("faces").clientWidth - (rest.length ? 270 : 150);
    resizeFaces(Math.max(76, Math.min(170, width / (groups.length + 0.5) - 10)));
  }
  byId("faces").replaceChildren(table);
  if (!list.length) return;
  const keys = groups.map(([key]) => key);
  const height = Math.max(2, Math.floor(CELLS / keys.length));
  const blocks = references.flatMap((members) => blocksOf(members, rest, height));
  facesObserver = appendInPages(byId("faces"), blocks, {
    size: CELLS,
    append: (page) => table.append(...page.map((rows) => makeBlock(rows, names, rest, keys))),
    what: "rows of faces",
    weight: (rows) => rows.length * keys.length,
  });
}

// Runs by reference; if the page is sorted by a number, in the order of the references' medians.
function sortedReferences(list) {
  const references = [...groupBy(list, referenceIndex).values()];
  const { name } = order;
  if (typeof value(name, 0) !== "number" && columns.get(name)?.kind !== "number") return references;
  const medians = new Map(
    references.map((members) => [members, median(members.map((run) => value(name, run)))]),
  );
  return references.sort((a, b) => compare(medians.get(a), medians.get(b)));
}

// The rows of a reference, in blocks of at most `height`: only blocks in view are built.
function blocksOf(members, rest, height) {
  const rows = groupBySettings(members, rest).map(([, row]) => row);
  return Array.from({ length: Math.ceil(rows.length / height) }, (_, index) =>
    rows.slice(index * height, (index + 1) * height));
}

function makeBlock(rows, names, rest, keys) {
  const name = referenceName(rows[0][0]);
  const before = rows.flat().map((run) => data.before[run]).find(Boolean);
  const head = make("th", { scope: "rowgroup", rowspan: rows.length },
    make("div", { class: "stays" }, before && makeThumbnail(before, `Reference ${name}`), name));
  return make("tbody", {}, ...rows.map((row, index) => {
    const cells = groupBy(row, (run) => settingsKey(run, names));
    return make("tr", {},
      index === 0 && head,
      rest.length > 0 && makeRowHead(row, rest),
      ...keys.map((key) => make("td", {}, ...(cells.get(key) ?? []).map(makeCell))),
    );
  }));
}

function makeRowHead(row, rest) {
  const seen = guidesOf(row.find((run) => guidesOf(run).length) ?? row[0]).slice(0, 6);
  const images = seen.map((guide, index) => makeThumbnail(guide, `Guide ${index + 1}`));
  return make("th", { scope: "row", class: "kind" }, settingsText(row[0], rest),
    images.length > 0 && make("div", { class: "guides" }, ...images));
}

function makeCell(run) {
  const numbers = MEASURES.map((name) => valueText(name, run));
  const about = failed(run)
    ? `failed: ${value("error", run) ?? ""}`
    : MEASURES.map((name, index) => `${label(name)} ${numbers[index]}`).join(", ");
  const image = data.images[run]
    ? makeThumbnail(data.images[run], title(run))
    : make("span", { class: "failed" }, failed(run) ? "failed" : "no image");
  return make("button", {
    type: "button", class: "cell", title: about, "aria-label": `${title(run)}: ${about}`,
    "data-run": run, onclick: () => openViewer(run),
    onpointerenter: () => mark(run, true), onpointerleave: () => mark(run, false),
    onfocus: () => mark(run, true), onblur: () => mark(run, false),
  }, image, failed(run) ? "failed" : numbers.join(" | "));
}

function resizeFaces(pixels) {
  byId("size").value = pixels;
  document.documentElement.style.setProperty("--size", `${pixels}px`);
}

// Highlight a run's point in the scatter plot.
const mark = (run, on) => points.get(run)?.classList.toggle("marked", on);

// Arrow keys move from image to image.
byId("faces").addEventListener("keydown", (event) => {
  const cell = event.target.closest(".cell");
  const sideways = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const vertical = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!cell || !(sideways || vertical)) return;
  const left = (each) => each.getBoundingClientRect().left, here = left(cell);
  const cells = [...byId("faces").querySelectorAll(".cell")];
  const line = vertical ? cells.filter((each) => Math.abs(left(each) - here) < 2) : cells;
  event.preventDefault();
  line[line.indexOf(cell) + (sideways ?? vertical)]?.focus();
});
