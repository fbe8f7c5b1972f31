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
  const most = map.kind === "levels" ? 1 : map.high;
  $("threshold").max = String(most);
  $("threshold").step = String(most / 100);
  $("threshold").value = String(state.threshold);
  $("threshold").disabled = map.kind === "levels" && !map.strength;
  $("threshold-value").textContent = number(state.threshold, 2);
  $("show").value = scene.subject.q ? state.show : "all";
  $("show").disabled = !scene.subject.q;
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
