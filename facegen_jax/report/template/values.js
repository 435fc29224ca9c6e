// What the page shows: columns of values by name, and how a value is written. A run is its number.
const data = JSON.parse(document.getElementById("data").textContent);
const columns = new Map(data.columns.map((column) => [column.name, column]));
const ways = new Map(Object.entries(data.ways));  // what may stand side by side: settings by the name of their choice
const runs = data.ids.map((_, run) => run);
const byId = (id) => document.getElementById(id);

function value(name, run) {
  const column = columns.get(name);
  if (!column) return null;
  return column.kind === "number" ? column.values[run] : column.distinct[column.places[run]];
}

// A short text for headings; of paths, the names of their files.
function written(name, run) {
  const column = columns.get(name);
  if (!column) return "";
  return column.kind === "number" ? number(column.values[run]) : column.short[column.places[run]];
}

function number(value) {
  if (value === null || value === undefined) return "–";
  const rounded = Number(value.toPrecision(3));
  return rounded !== 0 && Math.abs(rounded) < 1e-3 ? rounded.toExponential().replace("e+", "e") : String(rounded);
}

const label = (name) => name.replaceAll("_", " ");
const reference = (run) => data.references.places[run];
const who = (run) => data.references.distinct[reference(run)];
const guides = (run) => data.guides.distinct[data.guides.places[run]];
const frames = (run) => data.frames.distinct[data.frames.places[run]].map((step) => [step, `${data.frames.folders[run]}/${String(step).padStart(6, "0")}.png`]);
const failed = (run) => value("status", run) !== "ok";
const thumbnail = (picture) => `thumbs/${picture.replace(/\.[^.]*$/, ".webp")}`;
const plain = (name, run) => (["attribute", "guides"].includes(name) ? written(name, run) : `${label(name)} ${written(name, run)}`);
const settings = (run, names = data.axes) => names.filter((name) => value(name, run) !== null).map((name) => plain(name, run)).join(" · ");
const title = (run) => [who(run), settings(run)].filter(Boolean).join(", ");

function median(values) {
  const sorted = values.filter((each) => typeof each === "number").sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length ? (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2 : null;
}

// Groups of runs by a key, in the order of their first run.
function grouped(list, key) {
  const found = new Map();
  for (const run of list) {
    const of = key(run);
    if (found.has(of)) found.get(of).push(run);
    else found.set(of, [run]);
  }
  return found;
}

// Places of a run's settings: equal for equal settings, and in their order.
function key(run, names) {
  return names.map((name) => String(columns.get(name).places[run]).padStart(5, "0")).join(" ");
}

// Groups of runs of equal settings, in the order of those.
const settled = (list, names) => [...grouped(list, (run) => key(run, names))].sort(([a], [b]) => (a < b ? -1 : 1));

const extent = (values) => values.reduce(([least, most], each) => [Math.min(least, each), Math.max(most, each)], [Infinity, -Infinity]);
const heading = (run, names) => settings(run, names) || (names.length ? "none" : "all");

const metrics = data.columns.filter((column) => column.kind === "number").map((column) => column.name);
const first = (...names) => names.find((name) => metrics.includes(name)) ?? metrics[0] ?? "";
const KEEPS = first("identity_similarity", "identity_probability", "loss.first");
const SHOWS = first("attribute_gain", "guide_similarity", "loss.last");
const MEASURES = [...new Set([SHOWS, KEEPS])].filter(Boolean);  // none where all failed

// An element with attributes and children; text stays text.
function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, content] of Object.entries(attributes)) {
    if (typeof content === "function") element.addEventListener(name.slice(2), content);
    else if (content === true) element.setAttribute(name, "");
    else if (content !== false && content !== null && content !== undefined) element.setAttribute(name, content);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function picture(source, alt, small = true) {
  return make("img", { src: small ? thumbnail(source) : source, alt, loading: small ? "lazy" : "eager", decoding: "async" });
}

// Pages of a long list, each of so much weight: the next one comes when its end is in sight, or on request.
function paged(target, list, size, rows, what, weight = () => 1) {
  let done = 0;
  const button = make("button", { type: "button", class: "more", onclick: () => next() });
  const sight = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && next());
  function next() {
    const from = done;
    for (let sum = 0; sum < size && done < list.length; done++) sum += weight(list[done]);
    rows(list.slice(from, done));
    button.textContent = `More: ${list.length - done} ${what}`;
    sight.disconnect();
    if (done < list.length) sight.observe(button);  // anew: it may still be in sight
    else button.remove();
  }
  target.append(button);
  next();
  return sight;
}
