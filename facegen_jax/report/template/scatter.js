// Every run as a point: identity against attribute. A point opens its run.
const points = new Map();  // by run
const plotted = { list: [], names: [] };

function padded([low, high], fraction = 0.06) {
  const padding = (high - low || Math.abs(high) || 1) * fraction;
  return [low - padding, high + padding];
}

function showScatter(list = plotted.list, names = plotted.names) {
  Object.assign(plotted, { list, names });
  const [x, y] = [byId("scatter-x").value, byId("scatter-y").value];
  const members = list.filter((run) => value(x, run) !== null && value(y, run) !== null);
  byId("scatter").replaceChildren();
  points.clear();
  if (!members.length) {
    byId("legend").replaceChildren();
    byId("scatter").append(make("p", {}, "No run has both values."));
    return;
  }
  const baselines = x === "identity_similarity" && data.baselines
    ? [["one person", data.baselines.genuine], ["two people", data.baselines.impostor]] : [];
  const include = byId("scatter-baselines")?.checked ? baselines.map(([, at]) => at) : [];
  const width = Math.max(280, byId("scatter").clientWidth), height = 380;
  const svg = makeSvg("svg", {
    viewBox: `0 0 ${width} ${height}`, height, role: "group",
    "aria-label": `${members.length} runs, ${label(x)} across, ${label(y)} up; ` +
      "arrow keys move from point to point",
  });
  const frame = drawFrame(svg, {
    width, height,
    x: padded(extent([...members.map((run) => value(x, run)), ...include])),
    y: padded(extent(members.map((run) => value(y, run)))),
    names: [label(x), label(y)],
  });
  drawBaselines(svg, frame, baselines);
  drawPoints(svg, frame, members, { x, y, names });
  byId("scatter").append(svg);
}

// Baselines in view are lines; those to the left are named at the edge.
function drawBaselines(svg, { toX, left, right, top, bottom }, baselines) {
  const name = (text, x, y, anchor = "start") =>
    svg.append(makeSvg("text", { class: "baseline-name", x, y, "text-anchor": anchor }, text));
  let outside = 0;
  for (const [kind, at] of baselines) {
    const x = toX(at), text = `${kind} ${at}`;
    if (x < left || x > right) {
      name(`← ${text}`, left + 6, bottom - 8 - 16 * outside++);
      continue;
    }
    svg.append(makeSvg("line", { class: "baseline", x1: x, x2: x, y1: top, y2: bottom }));
    if (x > (left + right) / 2) name(text, x - 5, bottom - 8, "end");
    else name(text, x + 5, bottom - 8);
  }
}

function drawPoints(svg, { toX, toY }, members, { x, y, names }) {
  const colour = byId("scatter-colour").value;  // "": by the grouping, "-": one colour
  const by = colour === "" ? names : colour === "-" ? [] : [colour];
  const groups = groupBySettings(members, by);
  const few = groups.length <= COLOURS.length;
  const medians = [];
  groups.forEach(([, group], index) => {
    const fill = COLOURS[few ? index : 0];
    for (const run of group) {
      const point = makeSvg("circle", {
        class: "point", cx: toX(value(x, run)), cy: toY(value(y, run)),
        r: members.length > 500 ? 3.5 : 5, fill, "fill-opacity": 0.75,
        tabindex: -1, "data-run": run,
      });
      points.set(run, point);
      svg.append(point);
    }
    if (!few || group.length < 3) return;
    const [cx, cy] = [x, y].map((name) => median(group.map((run) => value(name, run))));
    const diamond = `M${toX(cx)} ${toY(cy)}m0-9l9 9l-9 9l-9-9z`;
    medians.push(makeSvg("path", { class: "median", fill, d: diamond }));
  });
  svg.append(...medians);
  const entries = few && groups.length > 1
    ? groups.map(([, group], index) => [heading(group[0], by), COLOURS[index]]) : [];
  const diamonds = medians.length ? [make("li", {}, "◆ median")] : [];
  byId("legend").replaceChildren(...legendItems(entries), ...diamonds);
  const describe = (run) =>
    `${title(run)}: ${label(x)} ${valueText(x, run)}, ${label(y)} ${valueText(y, run)}`;
  listen(svg, describe, members.toSorted((a, b) => value(x, a) - value(x, b)));
}

// One point at a time is in the tab order; arrow keys move along x.
function listen(svg, describe, sorted) {
  const runOf = (event) => {
    const { run } = event.target.dataset;
    return run === undefined ? null : Number(run);
  };
  const enter = (run) =>
    fill(points.get(run), { tabindex: 0, role: "button", "aria-label": describe(run) });
  enter(sorted[0]);
  svg.addEventListener("click", (event) => runOf(event) !== null && openViewer(runOf(event)));
  svg.addEventListener("pointermove", (event) => {
    showTip(runOf(event), event.clientX, event.clientY);
  });
  svg.addEventListener("pointerleave", () => showTip(null));
  svg.addEventListener("focusin", (event) => {
    const box = event.target.getBoundingClientRect();
    if (event.target.matches(":focus-visible")) showTip(runOf(event), box.right, box.bottom);
  });
  svg.addEventListener("focusout", () => showTip(null));
  svg.addEventListener("keydown", (event) => {
    const run = runOf(event);
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const opens = event.key === "Enter" || event.key === " ";
    if (run === null || !(step || opens)) return;
    event.preventDefault();
    if (opens) {
      openViewer(run);
      return;
    }
    const next = sorted[sorted.indexOf(run) + step];
    if (next === undefined) return;
    event.target.setAttribute("tabindex", -1);
    enter(next).focus();
  });
}

function showTip(run, x = 0, y = 0) {
  const tip = byId("tip");
  tip.hidden = run === null;
  if (run === null) return;
  if (tip.dataset.run !== String(run)) {
    const values = MEASURES.map((name) => `${label(name)} ${valueText(name, run)}`);
    tip.replaceChildren();
    fill(tip, { "data-run": run },
      data.images[run] && makeThumbnail(data.images[run], ""),
      make("div", {}, title(run)), make("div", {}, values.join(", ")));
  }
  tip.style.left = `${Math.min(x + 14, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(y + 14, innerHeight - tip.offsetHeight - 8)}px`;
}
