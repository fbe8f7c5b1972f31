// Numbers of a found region, over the vertices of the flatmap that belong to it.

function membersOf(surface, group) {
  const wanted = new Set(group.labels);
  return [...surface.labels.keys()].filter((i) => wanted.has(surface.labels[i]) && (!group.side || sideOf(surface, i) === group.side));
}

function quantile(sorted, share) {
  const place = share * (sorted.length - 1), below = Math.floor(place), above = Math.ceil(place);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

// Mean and quartiles of every score.
function regionRows(data, subject, members) {
  return data.scores
    .filter(({ key, measure }) => measure && key in subject.scores)
    .map(({ key, title, measure }) => {
      const values = members.map((i) => subject.scores[key][i]).filter(Number.isFinite).sort((a, b) => a - b);
      const value = values.length ? values.reduce((sum, one) => sum + one, 0) / values.length : NaN;
      return { key, title, measure, value, interval: values.length > 3 && [quantile(values, 0.25), quantile(values, 0.75)] };
    });
}

function fillRegion(panel, data, { subject, surface, group, map, parts }, close) {
  const members = membersOf(surface, group), tested = members.filter((i) => parts.tested[i]), adjusted = qOf(map, subject);
  const share = (n) => `${n} (${number((100 * n) / Math.max(tested.length, 1), 0)} %)`;
  const rows = [row("members", "vertices", String(members.length)), row("tested", "tested", String(tested.length))];
  if (adjusted) rows.push(row("significant", `significant, q < ${data.level}`, share(tested.filter((i) => adjusted[i] < data.level).length)));
  if (subject.preference) {
    const counts = new Map();
    for (const i of tested) counts.set(preferenceText(data, subject, i), (counts.get(preferenceText(data, subject, i)) || 0) + 1);
    for (const name of [...data.featureSpaces, "no preference"]) {
      if (counts.has(name)) rows.push(row(`prefers ${name}`, name === "no preference" ? name : `prefer ${name}`, share(counts.get(name))));
    }
  }
  const button = element("button", { type: "button", class: "close", "aria-label": "close" }, "\u00d7");
  button.addEventListener("click", () => {
    close();
    panel.focus(); // the button is gone
  });
  const best = element("button", { type: "button", id: "best" }, "strongest vertex (p)");
  best.addEventListener("click", strongest);
  const all = regionRows(data, subject, members), measures = [...new Set(all.map(({ measure }) => measure))];
  panel.replaceChildren(
    button,
    element("h2", {}, group.text),
    element("p", { class: "vertex" }, `${group.title ? `${group.title}; ` : ""}subject ${subject.name}`),
    element("table", {}, element("tbody", {}, ...rows)),
    element("h3", {}, "Means over tested vertices"),
    ...measures.map((measure) => bars(measure, all.filter((one) => one.measure === measure))),
    element("p", { class: "unit" }, "Lines and numbers below them: from the lower to the upper quartile."),
    best,
  );
}
