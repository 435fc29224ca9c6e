// Medians by setting: how well the identity is kept, and how much of the attribute shows.
function showSummary(list, names) {
  const rows = groupBySettings(list, names).map(([, members]) => {
    const good = members.filter((run) => !failed(run));
    const medians = MEASURES.map((name) => median(good.map((run) => value(name, run))));
    return [members[0], members.length, members.length - good.length, ...medians];
  });
  const heads = [["setting", ""], ["runs", "number"], ["failed", "number"],
    ...MEASURES.map((name) => [label(name), "number"])];
  byId("summary").replaceChildren(make("table", {},
    make("thead", {}, make("tr", {},
      ...heads.map(([text, kind]) => make("th", { scope: "col", class: kind }, text)))),
    make("tbody", {}, ...rows.map(([run, ...numbers]) => make("tr", {},
      make("th", { scope: "row" }, heading(run, names)),
      ...numbers.map((each) => make("td", { class: "number" }, formatNumber(each))),
    ))),
  ));
}
