// Controls above the map: what they show, and what they change.

function fillSearch(surface) {
  $("regions").replaceChildren(...searchable(surface).map(({ text, title }) => element("option", { value: text, label: title || text })));
  const hasZoom = surface.zoom && surface.groups.some(({ name }) => name === surface.zoom);
  for (const button of document.querySelectorAll("[data-view^=zoom]")) {
    button.hidden = !hasZoom;
    button.textContent = `${(surface.zoom || "").replaceAll("_", " ")} ${button.dataset.view.endsWith("L") ? "left" : "right"}`;
  }
}

function fillControls() {
  const { map } = scene;
  $("map").value = String(state.map);
  $("subject").value = String(state.subject);
  fillBeside();
  $("limits").disabled = map.kind === "levels";
  $("limit-low").disabled = map.kind === "pair";
  for (const [id, value] of [["limit-low", map.low], ["limit-high", map.high]]) {
    if (document.activeElement !== $(id)) $(id).value = map.kind === "levels" ? "" : String(Number(value.toPrecision(4)));
  }
  const most = map.kind === "levels" ? 1 : map.high;
  $("threshold").max = String(most);
  $("threshold").step = String(most / 100);
  $("threshold").value = String(state.threshold);
  $("threshold").disabled = map.kind === "levels" && !map.strength;
  $("threshold-value").textContent = number(state.threshold, 2);
  const masked = Boolean(qOf(map, scene.subject));
  $("show").value = masked ? state.show : "all";
  $("show").disabled = !masked;
  $("outlines").checked = state.outlines;
  if (document.activeElement !== $("search")) $("search").value = scene.group ? scene.group.text : "";
  for (const button of document.querySelectorAll("[data-view]")) {
    if (["both", "L", "R"].includes(button.dataset.view)) button.setAttribute("aria-pressed", String(shownPart() === button.dataset.view));
  }
  const brackets = Object.keys(scene.subject.intervals).length ? `In brackets: ${data.interval}.` : "";
  const outlines = `Outlines: ${scene.surface.atlas}. ${scene.surface.citation}`;
  $("caption").textContent = [data.caption, brackets, outlines].filter(Boolean).join(" ");
}

function shownPart() {
  if (!state.view) return "both";
  return state.part || "";
}

function switchMap(by) {
  const there = data.maps.map((_, i) => i).filter((i) => data.maps[i].subjects.includes(state.subject));
  change({ map: there[(there.indexOf(state.map) + by + there.length) % there.length] });
}

function switchSubject(by) {
  const there = data.maps[state.map].subjects;
  chooseSubject(there[(there.indexOf(state.subject) + by + there.length) % there.length]);
}

// Another subject, with the same map if it has that; on another surface the same vertex is another place.
function chooseSubject(subject) {
  const same = data.subjects[subject].surface === data.subjects[state.subject].surface;
  const there = data.maps[state.map].subjects.includes(subject);
  const map = there ? state.map : data.maps.findIndex(({ subjects }) => subjects.includes(subject));
  change({ subject, map, ...(same ? {} : { target: null, view: null }) });
}

// Maps that can stand beside the shown one: others of this subject, and this one of others.
function choices() {
  const maps = data.maps.map((_, map) => ({ map, subject: state.subject })).filter(({ map }) => map !== state.map);
  const subjects = data.subjects.map((_, subject) => ({ map: state.map, subject })).filter(({ subject }) => subject !== state.subject);
  return [...maps, ...subjects].filter((one) => fits(data, one, state.subject));
}

function nameOf({ map, subject }) {
  return map === state.map ? `this map, subject ${data.subjects[subject].name}` : data.maps[map].title;
}

const sameMap = (one, other) => Boolean(one && other && one.map === other.map && one.subject === other.subject);

function fillBeside() {
  const list = choices(), chosen = list.findIndex((one) => sameMap(one, state.beside));
  if (state.beside && chosen < 0) list.push(state.beside); // of another subject and another map
  const options = list.map((one, i) => element("option", { value: String(i) }, sameMap(one, state.beside) && chosen < 0 ? `${data.maps[one.map].title}, subject ${data.subjects[one.subject].name}` : nameOf(one)));
  $("beside").replaceChildren(element("option", { value: "" }, "nothing"), ...options);
  $("beside").value = state.beside ? String(chosen < 0 ? list.length - 1 : chosen) : "";
  $("beside").disabled = !list.length;
}

function nextBeside() {
  const list = choices(), place = list.findIndex((one) => sameMap(one, state.beside));
  change({ beside: list[place + 1] ?? null });
}

function setLimits(low, high) {
  const right = Number.isFinite(low) && Number.isFinite(high) && low < high;
  $("limit-high").setCustomValidity(right ? "" : "the upper limit lies above the lower one");
  if (right) change({ limits: [low, high] });
  else $("limit-high").reportValidity();
}

// Moves one end of the colours by a twentieth of the printed range.
function moveLimit(end, by) {
  const { map, whole } = scene;
  if (map.kind === "levels" || (map.kind === "pair" && end === "low")) return;
  const step = (by * (whole.high - whole.low)) / 20, limits = { low: map.low, high: map.high };
  limits[end] += step;
  if (limits.high - limits.low > Math.abs(step) / 2) setLimits(limits.low, limits.high);
}

function setThreshold(value) {
  const most = Number($("threshold").max);
  change({ threshold: Math.min(Math.max(value, 0), most) });
}

function showPart(part) {
  const { surface, view } = scene;
  if (part === "in" || part === "out") return zoomBy(part === "in" ? 1 / 1.5 : 1.5, view.left + view.width / 2, view.top + view.height / 2);
  if (part === "both") return change({ view: null, part });
  const side = part.slice(-1);
  const group = surface.groups.find(({ name }) => name === surface.zoom);
  const box = part.startsWith("zoom") ? windowAround(surface, group.labels, side, 7) : hemisphere(surface, side);
  return box && change({ view: around(box), part });
}

function zoomBy(factor, x, y) {
  const { view, surface } = scene;
  const most = Math.max(surface.width, (surface.height * view.width) / view.height) * 1.02;
  const width = Math.min(Math.max(view.width * factor, 12), most);
  if (width >= most) return change({ view: null, part: "both" });
  const by = width / view.width;
  return change({ view: { left: x - (x - view.left) * by, top: y - (y - view.top) * by, width }, part: "" });
}

function findRegion(text) {
  const group = findGroup(scene.surface, text);
  if (!group) {
    $("search").setCustomValidity(text.trim() ? "no such region" : "");
    $("search").reportValidity();
    return change({ region: null });
  }
  $("search").setCustomValidity("");
  $("search").value = group.text;
  const box = windowAround(scene.surface, group.labels, group.side, 14);
  return change({ region: group.text, ...(box ? { view: around(box), part: "" } : {}) });
}
