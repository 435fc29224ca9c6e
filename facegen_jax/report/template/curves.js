// Loss curves of a run, by term.

// A term is [minimum, maximum, levels]: for each point a byte on a logarithmic scale, or 254 if the
// loss was not finite.
function unpack([low, high, levels]) {
  return Array.from(atob(levels), (character) => {
    const level = character.charCodeAt(0);
    return level > 253 ? null : low * (high / low) ** (level / 253);
  });
}

function curvesOf(run) {
  const { terms: packed = {}, last = 0 } = data.curves[run] ?? {};
  const terms = Object.entries(packed).map(([name, term]) => [name, unpack(term)])
    .filter(([, values]) => values.length);
  if (!terms.length) return [make("p", {}, "This run has no losses.")];
  const finite = terms.map(([, values]) => values.filter((each) => each !== null));
  if (!finite.flat().length) return [make("p", {}, "No loss of this run was finite.")];
  const [width, height] = [Math.max(280, byId("viewer-curves").clientWidth), 260];
  const svg = makeSvg("svg", {
    viewBox: `0 0 ${width} ${height}`, height, role: "img",
    "aria-label": `Losses over ${last + 1} steps: ${terms.map(([name]) => label(name)).join(", ")}`,
  });
  // Terms that start at zero rise within a few steps: cut off the lowest tenth of each term.
  const lowest = finite.filter((values) => values.length)
    .map((values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 10)]);
  const y = [Math.min(...lowest) / 1.5, Math.max(...finite.flat()) * 1.2];
  const x = [0, Math.max(1, last)];
  const names = ["step", "loss"];
  const scales = drawFrame(svg, { width, height, x, y, names, logarithmic: true });
  terms.forEach(([name, values], index) => {
    const attributes = { class: "curve", d: pathOf(values, last, y[0], scales) };
    const stroke = curveColour(name, index);
    svg.append(makeSvg("path", { ...attributes, stroke }, makeSvg("title", {}, label(name))));
  });
  const entries = terms.map(([name], index) => [label(name), curveColour(name, index)]);
  return [svg, make("ul", { class: "legend" }, ...legendItems(entries))];
}

// A path through the points, interrupted where values are missing.
function pathOf(values, last, floor, { toX, toY }) {
  let command = "M";
  return values.map((each, index) => {
    if (each === null) {
      command = "M";
      return "";
    }
    const step = Math.round((index * last) / Math.max(1, values.length - 1));
    const part = `${command}${toX(step).toFixed(1)} ${toY(Math.max(each, floor)).toFixed(1)}`;
    command = "L";
    return part;
  }).join("");
}

const curveColour = (name, index) =>
  (name === "total" ? "currentColor" : COLOURS[index % COLOURS.length]);
