// Runs as a table, sorted by a click on a heading; and as a file.
let watchingRuns = null;
const tabled = data.columns.filter((column) => column.name !== "reference" || !columns.has("name"));

function showRuns(list, changed) {
  const heads = tabled.map((column) => make("th", { scope: "col", class: column.kind === "number" ? "number" : null, "aria-sort": order.name === column.name ? (order.down ? "descending" : "ascending") : null },
    make("button", { type: "button", onclick: () => { sortBy(column.name, order.name === column.name && !order.down); changed(); byId("runs").querySelector(`[data-column="${CSS.escape(column.name)}"]`)?.focus(); }, "data-column": column.name },
      label(column.name), order.name === column.name ? (order.down ? " ↓" : " ↑") : "")));
  const body = make("tbody"), table = make("table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "picture"), ...heads)), body);
  watchingRuns?.disconnect();
  byId("runs").replaceChildren(table);
  watchingRuns = paged(byId("runs"), list, 40, (part) => body.append(...part.map(rowOf)), "runs");
}

function rowOf(run) {
  const opens = make("button", { type: "button", class: "cell", "aria-label": `Open ${title(run)}`, onclick: () => openViewer(run) }, data.images[run] ? picture(data.images[run], "") : "open");
  return make("tr", { "data-run": run }, make("td", {}, opens), ...tabled.map((column) => {
    const full = String(value(column.name, run) ?? "");
    return make("td", { class: column.kind === "number" ? "number" : null, title: full.length > 30 ? full : null }, written(column.name, run) || full);
  }));
}

function sortBy(name, down) {
  Object.assign(order, { name, down });
  byId("sort").value = name;
}

const quoted = (cell) => (/[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

function asTable(list) {
  const lines = list.map((run) => [data.ids[run], ...data.columns.map((column) => String(value(column.name, run) ?? "")), data.images[run] ?? ""]);
  return [["id", ...data.columns.map((column) => column.name), "image"], ...lines].map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
}

function download(list) {
  const link = make("a", { href: URL.createObjectURL(new Blob([asTable(list)], { type: "text/csv" })), download: "rows.csv" });
  link.click();
  URL.revokeObjectURL(link.href);
}

function showFailures(list) {
  if (!byId("failure-list")) return;
  const bad = list.filter(failed);
  byId("failure-list").replaceChildren(make("table", {},
    make("thead", {}, make("tr", {}, ...["reference", "setting", "reason"].map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...bad.map((run) => make("tr", {},
      make("th", { scope: "row" }, make("button", { type: "button", onclick: () => openViewer(run) }, who(run))),
      make("td", {}, settings(run)), make("td", { class: "error" }, value("error", run) ?? "its picture is missing"),
    )))));
}
