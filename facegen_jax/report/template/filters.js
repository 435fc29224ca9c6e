// Filters and order of the runs that are shown.
const filters = new Map();  // by column: {chosen: Set of indices}, {low, high} or {text}
const order = { name: "", down: false };
const textColumns = data.columns.filter((column) => column.kind !== "number");

function matches(run, search) {
  for (const [name, filter] of filters) {
    const column = columns.get(name);
    if (filter.chosen?.size && !filter.chosen.has(column.indices[run])) return false;
    if (filter.text && !lowerCase(name, run).includes(filter.text)) return false;
    const number = column.kind === "number" ? column.values[run] : null;
    if (filter.low !== undefined && !(number !== null && number >= filter.low)) return false;
    if (filter.high !== undefined && !(number !== null && number <= filter.high)) return false;
  }
  return !search || searchText(run).includes(search);
}

const lowerCase = (name, run) => String(value(name, run) ?? "").toLowerCase();

// Text that the search looks in, computed once for each run.
const searchTexts = [];
function searchText(run) {
  searchTexts[run] ??= [
    data.ids[run].toLowerCase(), title(run).toLowerCase(),
    ...textColumns.map(({ name }) => lowerCase(name, run)),
  ].join("\n");
  return searchTexts[run];
}

// Numbers before text; null last in either direction.
function compare(a, b) {
  if (a === b) return 0;
  if (a === null || b === null) return a === null ? 1 : -1;
  const less = typeof a === typeof b ? a < b : typeof a === "number";
  return (less ? -1 : 1) * (order.down ? -1 : 1);
}

function selectRuns() {
  const search = byId("search").value.trim().toLowerCase();
  const selected = runs.filter((run) => matches(run, search));
  const { name, down } = order;
  if (name) selected.sort((a, b) => compare(value(name, a), value(name, b)) || a - b);
  else if (down) selected.reverse();
  return selected;
}

// The three controls below call `changed` with whether their filter is active.
function choiceFilter(column, changed) {
  const chosen = new Set(), counts = new Map();
  for (const index of column.indices) counts.set(index, (counts.get(index) ?? 0) + 1);
  filters.set(column.name, { chosen });
  return column.labels.map((text, index) => make("label", {}, make("input", {
    type: "checkbox",
    onchange: (event) => {
      event.target.checked ? chosen.add(index) : chosen.delete(index);
      changed(chosen.size > 0);
    },
  }), `${text} (${counts.get(index)})`));
}

function rangeFilter(column, changed) {
  const filter = {};
  const [low, high] = extent(column.values.filter((each) => each !== null));
  filters.set(column.name, filter);
  const bounds = [["low", "from", low], ["high", "to", high]];
  return bounds.map(([side, word, bound]) => make("label", { class: "bound" }, word, make("input", {
    type: "number", step: "any", placeholder: formatNumber(bound),
    "aria-label": `${label(column.name)} ${word}`,
    oninput: (event) => {
      filter[side] = event.target.value === "" ? undefined : Number(event.target.value);
      changed(filter.low !== undefined || filter.high !== undefined);
    },
  })));
}

function textFilter(column, changed) {
  const filter = {};
  filters.set(column.name, filter);
  return [make("input", {
    type: "search", "aria-label": `${label(column.name)} contains`, placeholder: "contains",
    oninput: (event) => {
      filter.text = event.target.value.trim().toLowerCase();
      changed(filter.text !== "");
    },
  })];
}

const filterOf = { choice: choiceFilter, number: rangeFilter, text: textFilter };

// A drop-down with the filters of some columns; highlighted while one of them is active.
function dropDown(name, columns, changed) {
  const active = new Set(), box = make("details", { name: "filter" }, make("summary", {}, name));
  box.append(make("div", {}, ...columns.flatMap((column) => [
    ...(columns.length > 1 ? [make("h3", {}, label(column.name))] : []),
    ...filterOf[column.kind](column, (on) => {
      on ? active.add(column.name) : active.delete(column.name);
      box.classList.toggle("active", active.size > 0);
      changed();
    }),
  ])));
  box.addEventListener("toggle", () => {
    box.classList.toggle("right", box.getBoundingClientRect().left > innerWidth / 2);
  });
  return box;
}

// A drop-down for each of the most important columns, and one for the others together.
function buildFilters(changed) {
  const main = new Set(["status", ...data.axes, ATTRIBUTE, IDENTITY]);
  const others = data.columns.filter((column) => !main.has(column.name));
  for (const column of data.columns.filter((column) => main.has(column.name))) {
    byId("filters").append(dropDown(label(column.name), [column], changed));
  }
  if (others.length) byId("filters").append(dropDown("more", others, changed));
  const close = (event) => {
    for (const box of document.querySelectorAll("#filters details[open]")) {
      const outside = event.type === "click" && !box.contains(event.target);
      if (event.key === "Escape" || outside) box.open = false;
    }
  };
  addEventListener("click", close);
  addEventListener("keydown", close);
}

function clearFilters() {
  byId("controls").reset();
  for (const filter of filters.values()) {
    filter.chosen?.clear();
    delete filter.low, delete filter.high, delete filter.text;
  }
  for (const box of document.querySelectorAll("#filters .active")) box.classList.remove("active");
  Object.assign(order, { name: "", down: false });
}
