// Axes of plots: scales, ticks at round numbers, their drawing.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#3ba3d0", "#8f5bd1", "#7a7a7a"];  // told apart by the colour-blind

function ticks(low, high, count) {
  const rough = (high - low || 1) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const start = Math.ceil(low / step);
  return Array.from({ length: Math.max(0, Math.floor(high / step + 1e-9) - start + 1) }, (_, place) => (start + place) * step);
}

function powers(low, high, count) {
  const found = Array.from({ length: 40 }, (_, place) => place - 20).filter((power) => 10 ** power >= low && 10 ** power <= high);
  const every = Math.ceil(found.length / count);
  return found.filter((power) => power % every === 0).map((power) => Number(`1e${power}`));
}

function scale(low, high, from, to, logarithmic = false) {
  const bend = logarithmic ? Math.log10 : (each) => each;
  const [a, b] = [bend(low), bend(high)];
  return (each) => from + ((bend(each) - a) / (b - a || 1)) * (to - from);
}

// A frame with ticks and names; returns the scales of both axes.
function frame(svg, { width, height, x, y, names, logarithmic = false }) {
  const [left, right, top, bottom] = [64, width - 12, 10, height - 40];
  const across = scale(...x, left, right), up = scale(...y, bottom, top, logarithmic);
  for (const each of ticks(...x, Math.max(2, width / 110))) {
    svg.append(draw("line", { class: "axis", x1: across(each), x2: across(each), y1: top, y2: bottom }));
    svg.append(draw("text", { x: across(each), y: bottom + 16, "text-anchor": "middle" }, number(each)));
  }
  const marks = logarithmic ? powers(...y, height / 45) : ticks(...y, height / 60);
  for (const each of marks.length > 1 ? marks : ticks(...y, height / 60)) {
    svg.append(draw("line", { class: "axis", x1: left, x2: right, y1: up(each), y2: up(each) }));
    svg.append(draw("text", { x: left - 6, y: up(each) + 4, "text-anchor": "end" }, number(each)));
  }
  svg.append(draw("text", { x: right, y: height - 6, "text-anchor": "end" }, names[0]));
  svg.append(draw("text", { x: 14, y: top, "text-anchor": "end", transform: `rotate(-90 14 ${top})` }, names[1]));
  return { across, up, left, right, top, bottom };
}

const legend = (entries) => entries.map(([text, colour]) => {
  const swatch = make("i");
  swatch.style.background = colour;
  return make("li", {}, swatch, text);
});
