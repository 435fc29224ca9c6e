// The page's data: columns of values by name, and values as text. A run is an index.
const data = JSON.parse(document.getElementById("data").textContent);
const columns = new Map(data.columns.map((column) => [column.name, column]));
// Names of the settings to compare runs by, by the label of the grouping.
const groupings = new Map(Object.entries(data.groupings));
const runs = data.ids.map((_, run) => run);

function value(name, run) {
  const column = columns.get(name);
  if (!column) return null;
  return column.kind === "number" ? column.values[run] : column.distinct[column.indices[run]];
}

// Short text; paths are shown as file names.
function valueText(name, run) {
  const column = columns.get(name);
  if (!column) return "";
  if (column.kind === "number") return formatNumber(column.values[run]);
  return column.labels[column.indices[run]];
}

function formatNumber(number) {
  if (number === null || number === undefined) return "–";
  const rounded = Number(number.toPrecision(3));
  const tiny = rounded !== 0 && Math.abs(rounded) < 1e-3;
  return tiny ? rounded.toExponential().replace("e+", "e") : String(rounded);
}

const label = (name) => name.replaceAll("_", " ");
const failed = (run) => value("status", run) !== "ok";
const referenceIndex = (run) => data.references.indices[run];
const referenceName = (run) => data.references.distinct[referenceIndex(run)];
const guidesOf = (run) => data.guides.distinct[data.guides.indices[run]];
const thumbnail = (image) => `thumbs/${image.replace(/\.[^.]*$/, ".webp")}`;

// [step, image] of each intermediate image.
function framesOf(run) {
  const steps = data.frames.distinct[data.frames.indices[run]];
  const folder = data.frames.folders[run];
  return steps.map((step) => [step, `${folder}/${String(step).padStart(6, "0")}.png`]);
}

function settingText(name, run) {
  const text = valueText(name, run);
  return ["attribute", "guides"].includes(name) ? text : `${label(name)} ${text}`;
}

function settingsText(run, names = data.axes) {
  const present = names.filter((name) => value(name, run) !== null);
  return present.map((name) => settingText(name, run)).join(" · ");
}

const title = (run) => [referenceName(run), settingsText(run)].filter(Boolean).join(", ");
const heading = (run, names) => settingsText(run, names) || (names.length ? "none" : "all");

function median(values) {
  const sorted = values.filter((each) => typeof each === "number").sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (!sorted.length) return null;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

// [minimum, maximum]. Math.min(...values) would overflow the stack on long lists.
const extent = (values) => values.reduce(
  ([low, high], each) => [Math.min(low, each), Math.max(high, each)],
  [Infinity, -Infinity],
);

// Map from key to runs, in the order of the first run with each key.
function groupBy(list, keyOf) {
  const groups = new Map();
  for (const run of list) {
    const key = keyOf(run);
    if (groups.has(key)) groups.get(key).push(run);
    else groups.set(key, [run]);
  }
  return groups;
}

// Equal for runs with equal settings, and sorted as the settings' values.
function settingsKey(run, names) {
  return names.map((name) => String(columns.get(name).indices[run]).padStart(5, "0")).join(" ");
}

// [key, runs] for each combination of settings, in the order of their values.
function groupBySettings(list, names) {
  const groups = groupBy(list, (run) => settingsKey(run, names));
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}

// Columns that measure identity and attribute: the first of each list that exists.
const numeric = data.columns.filter((column) => column.kind === "number").map((each) => each.name);
const firstNumeric = (...names) =>
  names.find((name) => numeric.includes(name)) ?? numeric[0] ?? "";
const IDENTITY = firstNumeric("identity_similarity", "identity_probability", "loss.first");
const ATTRIBUTE = firstNumeric("attribute_gain", "guide_similarity", "loss.last");
const MEASURES = [...new Set([ATTRIBUTE, IDENTITY])].filter(Boolean);  // empty if all runs failed
