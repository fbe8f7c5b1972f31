// Numbers of one target, in the tip at the pointer and in the panel; all text goes in as text, never as HTML.

function element(kind, attributes = {}, ...children) {
  const made = document.createElement(kind);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function number(value, digits = 3) {
  if (!Number.isFinite(value)) return "n/a";
  return value.toFixed(digits).replace("-", "\u2212").replace(/^\u2212(0\.?0*)$/, "$1");
}

function smallNumber(value) {
  if (!Number.isFinite(value)) return "n/a";
  return value < 0.001 ? "< 0.001" : number(value);
}

function placeName(surface, target) {
  const side = sideOf(surface, target);
  const vertex = side === "L" ? target : target - surface.counts[0];
  const region = inWords(surface.regions[surface.labels[target]] || "no region");
  return { region, side: side === "L" ? "left" : "right", vertex };
}

// Title, measure and value of every score of a subject, with its interval.
function scoreRows(data, subject, target) {
  return data.scores
    .filter(({ key, measure }) => measure && key in subject.scores)
    .map(({ key, title, measure }) => {
      const limits = subject.intervals[key];
      const interval = limits && limits.map((one) => one[target]).every(Number.isFinite) && limits.map((one) => one[target]);
      return { key, title, measure, value: subject.scores[key][target], interval };
    });
}

function preferenceText(data, subject, target) {
  if (!subject.preference) return null;
  const index = subject.preference[target];
  if (Number.isNaN(index)) return "not tested";
  if (index < -1) return "not predicted";
  return index < 0 ? "no preference" : data.featureSpaces[index] ?? `feature space ${index}`;
}

function isTested(subject, target) {
  return Object.values(subject.scores).some((values) => Number.isFinite(values[target]));
}

function row(key, name, ...value) {
  return element("tr", { "data-key": key }, element("th", { scope: "row" }, name), element("td", {}, ...value));
}

function between(interval) {
  return `${number(interval[0])} to ${number(interval[1])}`;
}

// Significance and preference, which are no scores.
function verdicts(data, subject, target) {
  const rows = [];
  if (subject.q) {
    const q = subject.q[target];
    const name = Object.keys(subject.own).length ? "q, joint model" : "q";
    rows.push(row("q", name, q < data.level ? `${smallNumber(q)}, significant` : smallNumber(q)));
  }
  const preference = preferenceText(data, subject, target);
  if (preference !== null) rows.push(row("preference", "prefers", preference));
  return rows;
}

function summary(data, subject, target) {
  const rows = scoreRows(data, subject, target).map(({ key, title, measure, value, interval }) =>
    row(key, `${title}, ${measure}`, interval ? `${number(value)} (${between(interval)})` : number(value)),
  );
  return element("table", {}, element("tbody", {}, ...rows, ...verdicts(data, subject, target)));
}

function fillTip(tip, data, subject, surface, target) {
  const { region, side, vertex } = placeName(surface, target);
  const title = element("strong", {}, `${region}, ${side}`);
  const body = isTested(subject, target) ? summary(data, subject, target) : element("p", {}, "not tested");
  tip.replaceChildren(title, element("span", { class: "vertex" }, ` vertex ${vertex}`), body);
}

// Bars of the scores of one measure, each with its number and interval.
function bars(measure, rows) {
  const values = rows.flatMap(({ value, interval }) => [value, ...(interval || [])]).filter(Number.isFinite);
  const low = Math.min(0, ...values), high = Math.max(0.02, ...values);
  const at = (value) => 100 * ((value - low) / (high - low));
  const list = rows.map(({ key, title, value, interval }) => {
    const text = `${title}: ${number(value)}`;
    const bar = shape("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": text });
    if (Number.isFinite(value)) {
      const start = Math.min(at(0), at(value));
      bar.append(shape("rect", { x: start, y: 1, width: Math.abs(at(value) - at(0)), height: 8, class: "bar" }));
    }
    bar.append(shape("line", { x1: at(0), x2: at(0), y1: 0, y2: 10, class: "zero" }));
    if (interval) bar.append(shape("line", { x1: at(interval[0]), x2: at(interval[1]), y1: 5, y2: 5, class: "interval" }));
    const name = element("th", { scope: "row" }, title);
    const numbers = element("td", { class: "value" }, number(value));
    const limits = interval ? [element("span", { class: "limits" }, between(interval))] : [];
    return element("tr", { "data-key": key }, name, element("td", { class: "room" }, bar, ...limits), numbers);
  });
  return element("table", { class: "bars" }, element("caption", {}, measure), element("tbody", {}, ...list));
}

function profile(data, subject, target) {
  const rows = scoreRows(data, subject, target);
  const measures = [...new Set(rows.map(({ measure }) => measure))];
  return measures.map((measure) => bars(measure, rows.filter((row) => row.measure === measure)));
}

function correlation(one, other) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const a = mean(one), b = mean(other);
  let ab = 0, aa = 0, bb = 0;
  for (let i = 0; i < one.length; i++) {
    ab += (one[i] - a) * (other[i] - b);
    aa += (one[i] - a) ** 2;
    bb += (other[i] - b) ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

function why(subject, target) {
  return subject.q && !(subject.q[target] < data.level) ? " It is not significant in the joint model." : "";
}

function timeCourse(subject, target) {
  const { courses } = subject;
  if (!courses) return element("p", { class: "none" }, "These results hold no time courses.");
  const row = courses.row[target], n = courses.samples;
  if (row === MISSING) return element("p", { class: "none" }, `No time course was kept of this vertex.${why(subject, target)}`);
  const lines = ["measured", "predicted"].map((kind) => [kind, courses[kind].subarray(row * n, (row + 1) * n)]);
  const values = lines.flatMap(([, line]) => [...line]).filter(Number.isFinite);
  const low = Math.min(...values), high = Math.max(...values);
  const r = number(correlation(lines[0][1], lines[1][1]), 2);
  const name = `Time course, measured and predicted, r ${r}`;
  const plot = shape("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": name });
  for (const [kind, line] of lines) {
    const points = Array.from(line, (value, i) => `${(100 * i) / (n - 1)},${39 - (38 * (value - low)) / (high - low || 1)}`);
    plot.append(shape("polyline", { points: points.join(" "), class: kind }));
  }
  const keys = lines.map(([kind]) => element("span", { class: `key ${kind}` }, kind));
  const length = `0 to ${number((n - 1) * courses.step, 0)} s, ${courses.about}, r = ${r}`;
  return element("figure", { class: "course" }, plot, element("figcaption", {}, ...keys, ` ${length}`));
}

// The clips a target responds to most; a click plays one.
function clips(data, subject, target, player) {
  const { best } = subject;
  if (!best) return element("p", { class: "none" }, "These results hold no responses to single clips.");
  const places = [...Array(best.number).keys()].map((i) => target * best.number + i);
  const rows = places
    .filter((place) => best.clips[place] !== MISSING)
    .map((place) => {
      const clip = data.clips[best.clips[place]];
      const buttons = clip.sounds.map(({ label, source }) => {
        const button = element("button", { type: "button", "aria-label": `play ${clip.name}, ${label}` }, `\u25b6 ${label}`);
        button.addEventListener("click", () => player.toggle(button, source));
        return button;
      });
      const text = element("span", { class: "clip" }, element("strong", {}, clip.name), clip.about ? ` ${clip.about}` : "");
      return element("li", {}, text, element("span", { class: "value" }, number(best.responses[place], 1)), ...buttons);
    });
  if (!rows.length) return element("p", { class: "none" }, `No response to single clips was kept of this vertex.${why(subject, target)}`);
  const list = element("div", {}, element("ol", { class: "clips" }, ...rows), element("p", { class: "unit" }, best.unit));
  if (!data.clips.some(({ sounds }) => sounds.length)) list.append(element("p", { class: "none" }, "These results hold no sounds."));
  else list.append(player.audio);
  return list;
}

// One audio element for all clips.
function makePlayer() {
  const audio = element("audio", { controls: "", "aria-label": "clip" });
  let playing = null;
  const mark = () => {
    if (playing) playing.setAttribute("aria-pressed", String(!audio.paused));
  };
  for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, mark);
  const toggle = (button, source) => {
    if (button === playing && !audio.paused) return audio.pause();
    if (playing) playing.setAttribute("aria-pressed", "false");
    playing = button;
    if (audio.getAttribute("src") !== source) audio.setAttribute("src", source);
    return audio.play().catch(() => button.append(" (cannot be played)"));
  };
  return { audio, toggle };
}

function fillPanel(panel, data, subject, surface, target, player, close) {
  const { region, side, vertex } = placeName(surface, target);
  const button = element("button", { type: "button", class: "close", "aria-label": "close" }, "\u00d7");
  button.addEventListener("click", () => {
    close();
    panel.focus(); // the button is gone
  });
  const heading = element("h2", {}, `${region}, ${side}`);
  const about = element("p", { class: "vertex" }, `vertex ${vertex} of ${surface.name}, subject ${subject.name}`);
  if (!isTested(subject, target)) {
    panel.replaceChildren(button, heading, about, element("p", { class: "none" }, "This vertex was not tested."));
    return;
  }
  const part = (title, ...content) => element("section", {}, element("h3", {}, title), ...content);
  panel.replaceChildren(
    button,
    heading,
    about,
    element("table", {}, element("tbody", {}, ...verdicts(data, subject, target))),
    part("Feature profile", ...profile(data, subject, target)),
    part("Time course", timeCourse(subject, target)),
    part("Clips it responds to most", clips(data, subject, target, player)),
  );
}
