// Losses of a run by term. A term comes as smallest and largest value and a byte for each point between them, on a logarithmic scale.
function unpacked([low, high, codes]) {
  return Array.from(atob(codes), (letter) => letter.charCodeAt(0)).map((code) => (code > 253 ? null : low * (high / low) ** (code / 253)));
}

function curvesOf(run) {
  const found = data.curves[run];
  const terms = found ? Object.entries(found.terms).map(([name, packed]) => [name, unpacked(packed)]).filter(([, values]) => values.length) : [];
  if (!terms.length) return [make("p", {}, "No losses were kept of this run.")];
  const [width, height] = [Math.max(280, byId("viewer-curves").clientWidth), 260];
  const all = terms.flatMap(([, values]) => values).filter((each) => each !== null);
  if (!all.length) return [make("p", {}, "No loss of this run was finite.")];
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": `Losses over ${found.last + 1} steps: ${terms.map(([name]) => label(name)).join(", ")}` });
  // Terms that begin at zero rise within a step or two: the axis need not follow them down there.
  const lowest = terms.map(([, values]) => values.filter((each) => each !== null).sort((a, b) => a - b)).map((sorted) => sorted[Math.floor(sorted.length / 10)]);
  const y = [Math.min(...lowest.filter((each) => each !== undefined)) / 1.5, Math.max(...all) * 1.2];
  const { across, up } = frame(svg, { width, height, x: [0, Math.max(1, found.last)], y, names: ["step", "loss"], logarithmic: true });
  terms.forEach(([name, values], place) => {
    let pen = "M";
    const path = values.map((each, point) => {
      const text = each === null ? "" : `${pen}${across(Math.round((point * found.last) / Math.max(1, values.length - 1))).toFixed(1)} ${up(Math.max(each, y[0])).toFixed(1)}`;
      pen = each === null ? "M" : "L";
      return text;
    });
    svg.append(draw("path", { class: "curve", d: path.join(""), stroke: colour(name, place) }, draw("title", {}, label(name))));
  });
  return [svg, make("ul", { class: "legend" }, ...legend(terms.map(([name], place) => [label(name), colour(name, place)])))];
}

const colour = (name, place) => (name === "total" ? "currentColor" : COLOURS[place % COLOURS.length]);
