// Results as a table of pictures: a row for each reference and what is asked of it, a column for each setting.
let watchingFaces = null;
const CELLS = 90;  // of a page of the table

function showFaces(list, names) {
  const rest = data.axes.filter((name) => !names.includes(name));
  const heads = settled(list, names);
  const people = [...grouped(list, reference).values()];
  if (typeof value(order.name, 0) === "number" || columns.get(order.name)?.kind === "number") {
    const middle = new Map(people.map((members) => [members, median(members.map((run) => value(order.name, run)))]));
    people.sort((a, b) => compare(middle.get(a), middle.get(b)));
  }
  const table = make("table", {}, make("thead", {}, make("tr", {},
    make("th", { scope: "col" }, "reference"), rest.length > 0 && make("th", { scope: "col" }, rest.map(label).join(", ")),
    ...heads.map(([, [run]]) => make("th", { scope: "col" }, heading(run, names))),
  )));
  watchingFaces?.disconnect();
  if (!byId("size").dataset.chosen) resize(Math.max(76, Math.min(170, (byId("faces").clientWidth - (rest.length ? 270 : 150)) / (heads.length + 0.5) - 10)));
  byId("faces").replaceChildren(table);
  if (!list.length) return;
  const blocks = people.flatMap((members) => blocksOf(members, rest, Math.max(2, Math.floor(CELLS / heads.length))));
  watchingFaces = paged(byId("faces"), blocks, CELLS, (part) => table.append(...part.map((block) => blockOf(block, names, rest, heads.map(([of]) => of)))), "rows of faces", (block) => block.length * heads.length);
}

// What is asked of a reference, as rows of runs; very many rows in several blocks, for only what is looked at is built.
function blocksOf(members, rest, most) {
  const rows = settled(members, rest).map(([, row]) => row);
  return Array.from({ length: Math.ceil(rows.length / most) }, (_, place) => rows.slice(place * most, (place + 1) * most));
}

function blockOf(rows, names, rest, heads) {
  const name = who(rows[0][0]), before = rows.flat().map((run) => data.before[run]).find(Boolean);
  return make("tbody", {}, ...rows.map((row, place) => {
    const cells = grouped(row, (run) => key(run, names)), seen = guides(row.find((run) => guides(run).length) ?? row[0]);
    return make("tr", {},
      place === 0 && make("th", { scope: "rowgroup", rowspan: rows.length }, make("div", { class: "stays" }, before && picture(before, `Reference ${name}`), name)),
      rest.length > 0 && make("th", { scope: "row", class: "kind" }, settings(row[0], rest),
        seen.length > 0 && make("div", { class: "guides" }, ...seen.slice(0, 6).map((guide, nth) => picture(guide, `Guide ${nth + 1}`)))),
      ...heads.map((of) => make("td", {}, ...(cells.get(of) ?? []).map(cell))),
    );
  }));
}

function cell(run) {
  const numbers = MEASURES.map((name) => written(name, run));
  const shown = data.images[run] ? picture(data.images[run], title(run)) : make("span", { class: "failed" }, failed(run) ? "failed" : "no picture");
  const about = failed(run) ? `failed: ${value("error", run) ?? ""}` : MEASURES.map((name, place) => `${label(name)} ${numbers[place]}`).join(", ");
  return make("button", {
    type: "button", class: "cell", title: about, "aria-label": `${title(run)}: ${about}`, "data-run": run, onclick: () => openViewer(run),
    onpointerenter: () => mark(run, true), onpointerleave: () => mark(run, false), onfocus: () => mark(run, true), onblur: () => mark(run, false),
  }, shown, failed(run) ? "failed" : numbers.join(" | "));
}

function resize(pixels) {
  byId("size").value = pixels;
  document.documentElement.style.setProperty("--size", `${pixels}px`);
}

const mark = (run, on) => points.get(run)?.classList.toggle("marked", on);

// Arrow keys go from picture to picture.
byId("faces").addEventListener("keydown", (event) => {
  const here = event.target.closest(".cell");
  const sideways = { ArrowRight: 1, ArrowLeft: -1 }[event.key], upward = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!here || !(sideways || upward)) return;
  const cells = [...byId("faces").querySelectorAll(".cell")], box = here.getBoundingClientRect();
  const column = upward ? cells.filter((each) => Math.abs(each.getBoundingClientRect().left - box.left) < 2) : cells;
  const next = column[column.indexOf(here) + (sideways ?? upward)];
  event.preventDefault();
  next?.focus();
});
