// One run large: its pictures in four views, its losses, its numbers; arrow keys go to its neighbours.
const viewer = byId("viewer");
const viewed = { run: null, view: "side" };

function openViewer(run) {
  viewed.run = run;
  if (!viewer.open) viewer.showModal();
  showTip(null);
  history.replaceState(null, "", `#${data.ids[run]}`);
  byId("viewer-title").textContent = who(run);
  byId("viewer-settings").replaceChildren(make("span", {}, settings(run)), make("span", {}, data.ids[run]),
    ...(data.images[run] ? [make("a", { href: data.images[run], target: "_blank" }, "full picture")] : []));
  const error = value("error", run);
  byId("viewer-error").hidden = !error;
  byId("viewer-error").textContent = error ?? "";
  const place = shownRuns.indexOf(run);
  byId("viewer-place").textContent = `${place + 1} of ${shownRuns.length}`;
  byId("viewer-previous").disabled = place <= 0;
  byId("viewer-next").disabled = place < 0 || place + 1 >= shownRuns.length;
  byId("viewer-curves").replaceChildren(...curvesOf(run));
  byId("viewer-numbers").replaceChildren(make("table", {}, make("tbody", {}, ...data.columns.filter((column) => column.kind === "number" && value(column.name, run) !== null)
    .map((column) => make("tr", {}, make("th", { scope: "row" }, label(column.name)), make("td", { class: "number" }, written(column.name, run)))))));
  showView(viewed.view);
}

function showView(view) {
  const run = viewed.run, possible = { side: true, slider: data.before[run] && data.images[run], difference: data.before[run] && data.images[run], descent: frames(run).length > 0 };
  viewed.view = view;
  const now = possible[view] ? view : "side";
  for (const button of viewer.querySelectorAll("[data-view]")) {
    button.disabled = !possible[button.dataset.view];
    button.setAttribute("aria-pressed", button.dataset.view === now);
  }
  byId("viewer-pictures").replaceChildren(...views[now](run));
}

const views = {
  side: (run) => [
    data.before[run] && figure(data.before[run], `Reference ${who(run)}`, "reference"),
    guides(run).length > 0 && make("div", { class: "guides" }, ...guides(run).map((guide, place) => figure(guide, `Guide ${place + 1}`, guides(run).length > 1 ? `guide ${place + 1}` : "guide"))),
    data.images[run] ? figure(data.images[run], `Result: ${title(run)}`, "result") : make("p", {}, "There is no picture of this run."),
  ].filter(Boolean),
  slider: (run) => {
    const after = picture(data.images[run], `Result: ${title(run)}`, false), cut = make("span", { class: "cut" });
    after.className = "over";
    const stage = make("div", { class: "stage slides" }, picture(data.before[run], `Reference ${who(run)}`, false), after, cut);
    const bar = make("input", { type: "range", min: 0, max: 100, step: 0.5, value: 50, id: "slider", "aria-label": "Reference on the left, result on the right", oninput: move });
    function move() {
      after.style.clipPath = `inset(0 0 0 ${bar.value}%)`;
      cut.style.left = `${bar.value}%`;
    }
    const drag = (event) => {
      if (event.type === "pointerdown") stage.setPointerCapture(event.pointerId);
      if (!event.buttons) return;
      event.preventDefault();
      const box = stage.getBoundingClientRect();
      bar.value = Math.max(0, Math.min(100, (100 * (event.clientX - box.left)) / box.width));
      move();
    };
    stage.addEventListener("pointerdown", drag);
    stage.addEventListener("pointermove", drag);
    move();
    return [stage, make("div", { class: "bar" }, "reference", bar, "result")];
  },
  difference: (run) => {
    const after = picture(data.images[run], "", false);
    after.className = "over";
    return [make("div", { class: "stage difference" }, picture(data.before[run], `Difference of reference and result: ${title(run)}`, false), after), make("div", { class: "bar" }, "what changed, four times as bright")];
  },
  descent: (run) => {
    const steps = frames(run), shown = picture(steps.at(-1)[1], "Picture on the way", false), said = make("output", {}, `step ${steps.at(-1)[0]}`);
    const bar = make("input", { type: "range", min: 0, max: steps.length - 1, value: steps.length - 1, id: "steps", "aria-label": "Step of the descent", oninput: () => {
      const [step, source] = steps[Number(bar.value)];
      shown.src = source;
      said.textContent = `step ${step}`;
      bar.setAttribute("aria-valuetext", said.textContent);
    } });
    return [make("div", { class: "stage" }, shown), make("div", { class: "bar" }, bar, said)];
  },
};

function figure(source, alt, caption) {
  return make("figure", {}, make("a", { href: source, target: "_blank" }, picture(source, alt, false)), make("figcaption", {}, caption));
}

function neighbour(step) {
  const next = shownRuns[shownRuns.indexOf(viewed.run) + step];
  if (shownRuns.includes(viewed.run) && next !== undefined) openViewer(next);
}

byId("viewer-close").addEventListener("click", () => viewer.close());
byId("viewer-previous").addEventListener("click", () => neighbour(-1));
byId("viewer-next").addEventListener("click", () => neighbour(1));
viewer.addEventListener("click", (event) => event.target === viewer && viewer.close());
viewer.addEventListener("close", () => history.replaceState(null, "", location.pathname));
for (const button of viewer.querySelectorAll("[data-view]")) button.addEventListener("click", () => showView(button.dataset.view));
addEventListener("keydown", (event) => {  // of the window: what had the focus may be gone
  const arrow = { ArrowLeft: -1, ArrowRight: 1 }[event.key], view = ["side", "slider", "difference", "descent"][Number(event.key) - 1];
  if (!viewer.open || event.ctrlKey || event.altKey || event.metaKey || (arrow && event.target.matches("input"))) return;
  if (arrow) neighbour(arrow);
  if (view && !viewer.querySelector(`[data-view="${view}"]`).disabled) {
    showView(view);
    byId("viewer-pictures").querySelector("input")?.focus();
  }
  if (arrow || view) event.preventDefault();
});
