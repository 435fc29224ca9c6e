// Which runs are shown, and in which order.
const filters = new Map();  // by column: {chosen: Set of places} or {low, high} or {text}
const order = { name: "", down: false };

function matches(run, search) {
  for (const [name, filter] of filters) {
    const column = columns.get(name);
    if (filter.chosen?.size && !filter.chosen.has(column.places[run])) return false;
    if (filter.text && !String(value(name, run) ?? "").toLowerCase().includes(filter.text)) return false;
    const found = column.kind === "number" ? column.values[run] : null;
    if (filter.low !== undefined && !(found !== null && found >= filter.low)) return false;
    if (filter.high !== undefined && !(found !== null && found <= filter.high)) return false;
  }
  return !search || haystack(run).includes(search);
}

const hay = [];
function haystack(run) {
  hay[run] ??= [data.ids[run], title(run), ...data.columns.filter((each) => each.kind !== "number").map((each) => value(each.name, run) ?? "")].join("\n").toLowerCase();
  return hay[run];
}

// Numbers before text before nothing, whichever way they are sorted.
function compare(a, b) {
  if (a === b) return 0;
  if (a === null || b === null) return a === null ? 1 : -1;
  const less = typeof a === typeof b ? a < b : typeof a === "number";
  return (less ? -1 : 1) * (order.down ? -1 : 1);
}

function selected() {
  const search = byId("search").value.trim().toLowerCase();
  const found = runs.filter((run) => matches(run, search));
  if (order.name) found.sort((a, b) => compare(value(order.name, a), value(order.name, b)) || a - b);
  else if (order.down) found.reverse();
  return found;
}

function choices(column, changed) {
  const chosen = new Set(), counts = new Map();
  for (const place of column.places) counts.set(place, (counts.get(place) ?? 0) + 1);
  filters.set(column.name, { chosen });
  return column.short.map((text, place) => make("label", {}, make("input", {
    type: "checkbox", onchange: (event) => { event.target.checked ? chosen.add(place) : chosen.delete(place); changed(chosen.size > 0); },
  }), `${text} (${counts.get(place)})`));
}

function bounds(column, changed) {
  const filter = {}, known = column.values.filter((each) => each !== null);
  const [low, high] = extent(known);
  filters.set(column.name, filter);
  return [["low", "from", low], ["high", "to", high]].map(([side, word, shown]) => make("label", { class: "bound" }, word, make("input", {
    type: "number", step: "any", placeholder: number(shown), "aria-label": `${label(column.name)} ${word}`,
    oninput: (event) => {
      filter[side] = event.target.value === "" ? undefined : Number(event.target.value);
      changed(filter.low !== undefined || filter.high !== undefined);
    },
  })));
}

function containing(column, changed) {
  const filter = {};
  filters.set(column.name, filter);
  return [make("input", { type: "search", "aria-label": `${label(column.name)} contains`, placeholder: "contains", oninput: (event) => {
    filter.text = event.target.value.trim().toLowerCase();
    changed(filter.text !== "");
  } })];
}

const controls = { choice: choices, number: bounds, text: containing };

// One drop-down for each column that matters most, and one for all others.
function buildFilters(changed) {
  const near = new Set(["status", ...data.axes, SHOWS, KEEPS]);
  const drop = (name, columns) => {
    const active = new Set(), box = make("details", { name: "filter" }, make("summary", {}, name));
    box.append(make("div", {}, ...columns.flatMap((column) => [
      columns.length > 1 && make("h3", {}, label(column.name)),
      ...controls[column.kind](column, (on) => {
        on ? active.add(column.name) : active.delete(column.name);
        box.classList.toggle("active", active.size > 0);
        changed();
      }),
    ]).filter(Boolean)));
    box.addEventListener("toggle", () => box.classList.toggle("right", box.getBoundingClientRect().left > innerWidth / 2));
    return box;
  };
  byId("filters").append(...data.columns.filter((column) => near.has(column.name)).map((column) => drop(label(column.name), [column])));
  const others = data.columns.filter((column) => !near.has(column.name));
  if (others.length) byId("filters").append(drop("more", others));
  const close = (event) => document.querySelectorAll("#filters details[open]").forEach((box) => {
    if (event.key === "Escape" || (event.type === "click" && !box.contains(event.target))) box.open = false;
  });
  addEventListener("click", close);
  addEventListener("keydown", close);
}

function clearFilters() {
  byId("controls").reset();
  for (const filter of filters.values()) {
    filter.chosen?.clear();
    delete filter.low, delete filter.high, delete filter.text;
  }
  document.querySelectorAll("#filters .active").forEach((box) => box.classList.remove("active"));
  Object.assign(order, { name: "", down: false });
}
