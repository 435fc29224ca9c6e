// One run in detail: its images in four views, its losses and values. Arrow keys go to other runs.
const viewer = byId("viewer");
const viewed = { run: null, view: "side" };
const VIEWS = ["side", "slider", "difference", "descent"];

function openViewer(run) {
  viewed.run = run;
  if (!viewer.open) viewer.showModal();
  showTip(null);
  history.replaceState(null, "", `#${data.ids[run]}`);
  byId("viewer-title").textContent = referenceName(run);
  byId("viewer-settings").replaceChildren(
    make("span", {}, settingsText(run)), make("span", {}, data.ids[run]),
  );
  if (data.images[run]) {
    const link = make("a", { href: data.images[run], target: "_blank" }, "full image");
    byId("viewer-settings").append(link);
  }
  const error = value("error", run);
  byId("viewer-error").hidden = !error;
  byId("viewer-error").textContent = error ?? "";
  const index = shownRuns.indexOf(run);
  byId("viewer-position").textContent = `${index + 1} of ${shownRuns.length}`;
  byId("viewer-previous").disabled = index <= 0;
  byId("viewer-next").disabled = index < 0 || index + 1 >= shownRuns.length;
  byId("viewer-curves").replaceChildren(...curvesOf(run));
  byId("viewer-numbers").replaceChildren(make("table", {}, makeNumbers(run)));
  showView(viewed.view);
}

function makeNumbers(run) {
  const names = numeric.filter((name) => value(name, run) !== null);
  return make("tbody", {}, ...names.map((name) => make("tr", {},
    make("th", { scope: "row" }, label(name)),
    make("td", { class: "number" }, valueText(name, run)),
  )));
}

// Show a view, or side by side if the run lacks its images; the choice is kept for the next run.
function showView(view) {
  const run = viewed.run, both = data.before[run] && data.images[run];
  const descent = framesOf(run).length > 0;
  const possible = { side: true, slider: both, difference: both, descent };
  viewed.view = view;
  const current = possible[view] ? view : "side";
  for (const button of viewer.querySelectorAll("[data-view]")) {
    button.disabled = !possible[button.dataset.view];
    button.setAttribute("aria-pressed", button.dataset.view === current);
  }
  byId("viewer-images").replaceChildren(...makeView[current](run));
}

const makeView = {
  side: (run) => {
    const before = data.before[run], several = guidesOf(run).length > 1;
    const guideFigures = guidesOf(run).map((guide, index) => {
      const number = index + 1;
      return makeFigure(guide, `Guide ${number}`, several ? `guide ${number}` : "guide");
    });
    return [
      before && makeFigure(before, `Reference ${referenceName(run)}`, "reference"),
      guideFigures.length > 0 && make("div", { class: "guides" }, ...guideFigures),
      data.images[run]
        ? makeFigure(data.images[run], `Result: ${title(run)}`, "result")
        : make("p", {}, "This run has no image."),
    ].filter(Boolean);
  },

  slider: (run) => {
    const before = makeImage(data.before[run], `Reference ${referenceName(run)}`);
    const after = makeImage(data.images[run], `Result: ${title(run)}`, { class: "over" });
    const edge = make("span", { class: "edge" });
    const stage = make("div", { class: "stage slides" }, before, after, edge);
    const slider = make("input", {
      type: "range", min: 0, max: 100, step: 0.5, value: 50, id: "slider",
      "aria-label": "Reference on the left, result on the right", oninput: update,
    });
    function update() {
      after.style.clipPath = `inset(0 0 0 ${slider.value}%)`;
      edge.style.left = `${slider.value}%`;
    }
    const drag = (event) => {
      if (event.type === "pointerdown") stage.setPointerCapture(event.pointerId);
      if (!event.buttons) return;
      event.preventDefault();
      const box = stage.getBoundingClientRect();
      const percent = (100 * (event.clientX - box.left)) / box.width;
      slider.value = Math.max(0, Math.min(100, percent));
      update();
    };
    stage.addEventListener("pointerdown", drag);
    stage.addEventListener("pointermove", drag);
    update();
    return [stage, make("div", { class: "bar" }, "reference", slider, "result")];
  },

  difference: (run) => {
    const alt = `Difference of reference and result: ${title(run)}`;
    const before = makeImage(data.before[run], alt);
    const after = makeImage(data.images[run], "", { class: "over" });
    return [
      make("div", { class: "stage difference" }, before, after),
      make("div", { class: "bar" }, "absolute difference, four times as bright"),
    ];
  },

  descent: (run) => {
    const steps = framesOf(run), last = steps.length - 1;
    const image = makeImage(steps[last][1], "Intermediate image");
    const caption = make("output", {}, `step ${steps[last][0]}`);
    const slider = make("input", {
      type: "range", min: 0, max: last, value: last, id: "steps",
      "aria-label": "Step of the descent",
      oninput: () => {
        const [step, source] = steps[Number(slider.value)];
        image.src = source;
        caption.textContent = `step ${step}`;
        slider.setAttribute("aria-valuetext", caption.textContent);
      },
    });
    return [
      make("div", { class: "stage" }, image), make("div", { class: "bar" }, slider, caption),
    ];
  },
};

function makeFigure(image, alt, caption) {
  const link = make("a", { href: image, target: "_blank" }, makeImage(image, alt));
  return make("figure", {}, link, make("figcaption", {}, caption));
}

function goTo(step) {
  const index = shownRuns.indexOf(viewed.run), next = shownRuns[index + step];
  if (index >= 0 && next !== undefined) openViewer(next);
}

byId("viewer-close").addEventListener("click", () => viewer.close());
byId("viewer-previous").addEventListener("click", () => goTo(-1));
byId("viewer-next").addEventListener("click", () => goTo(1));
viewer.addEventListener("click", (event) => event.target === viewer && viewer.close());
viewer.addEventListener("close", () => history.replaceState(null, "", location.pathname));
for (const button of viewer.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => showView(button.dataset.view));
}
// On the window, because the focused element may have been replaced.
addEventListener("keydown", (event) => {
  if (!viewer.open || event.ctrlKey || event.altKey || event.metaKey) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key], view = VIEWS[Number(event.key) - 1];
  if (step && event.target.matches("input")) return;  // moves the slider
  if (step) goTo(step);
  if (view && !viewer.querySelector(`[data-view="${view}"]`).disabled) {
    showView(view);
    byId("viewer-images").querySelector("input")?.focus();
  }
  if (step || view) event.preventDefault();
});
