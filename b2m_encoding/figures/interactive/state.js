// What is shown, and its form in the address of the page.

const START = { map: 0, subject: 0, show: "significant", threshold: 0, outlines: true, target: null, region: null, view: null, limits: null, beside: null };

function toHash(data, state) {
  const fields = new URLSearchParams();
  fields.set("map", data.maps[state.map].key);
  fields.set("subject", data.subjects[state.subject].name);
  if (state.show !== START.show) fields.set("show", state.show);
  if (state.threshold > 0) fields.set("threshold", String(Number(state.threshold.toFixed(4))));
  if (!state.outlines) fields.set("outlines", "off");
  if (state.target !== null) fields.set("vertex", String(state.target));
  if (state.region) fields.set("region", state.region);
  if (state.view) fields.set("view", [state.view.left, state.view.top, state.view.width].map((mm) => mm.toFixed(1)).join(","));
  if (state.limits) fields.set("limits", state.limits.map((one) => Number(one.toPrecision(4))).join(","));
  if (state.beside) fields.set("beside", `${data.maps[state.beside.map].key}@${data.subjects[state.beside.subject].name}`);
  return `#${fields}`;
}

// A state from an address; what does not fit the page is left at its start.
function fromHash(data, hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const state = { ...START };
  const map = data.maps.findIndex(({ key }) => key === fields.get("map"));
  const subject = data.subjects.findIndex(({ name }) => name === fields.get("subject"));
  state.map = Math.max(map, 0);
  state.subject = Math.max(subject, 0);
  if (!data.maps[state.map].subjects.includes(state.subject)) {
    if (subject >= 0) state.map = data.maps.findIndex(({ subjects }) => subjects.includes(subject));
    else state.subject = data.maps[state.map].subjects[0];
  }
  if (["significant", "fade", "all"].includes(fields.get("show"))) state.show = fields.get("show");
  const threshold = Number(fields.get("threshold"));
  if (Number.isFinite(threshold) && threshold > 0) state.threshold = threshold;
  state.outlines = fields.get("outlines") !== "off";
  const surface = data.surfaces[data.subjects[state.subject].surface];
  const target = Number(fields.get("vertex"));
  if (fields.has("vertex") && Number.isInteger(target) && target >= 0 && target < surface.counts[0] + surface.counts[1]) {
    state.target = target;
  }
  if (fields.has("region")) state.region = fields.get("region");
  const [left, top, width] = (fields.get("view") || "").split(",").map(Number);
  if ([left, top, width].every(Number.isFinite) && width > 0) state.view = { left, top, width };
  const limits = (fields.get("limits") || "").split(",").map(Number);
  if (limits.length === 2 && limits.every(Number.isFinite) && limits[0] < limits[1]) state.limits = limits;
  const [other, whose] = (fields.get("beside") || "").split("@");
  const beside = { map: data.maps.findIndex(({ key }) => key === other), subject: data.subjects.findIndex(({ name }) => name === whose) };
  if (fits(data, beside, state.subject)) state.beside = beside;
  return state;
}

// Whether a map of a subject can stand beside those of another one: on the same surface.
function fits(data, beside, subject) {
  return Boolean(data.maps[beside.map]?.subjects.includes(beside.subject)) && data.subjects[beside.subject].surface === data.subjects[subject].surface;
}

// A name as people write it.
const inWords = (name) => name.replaceAll("_", " ");

// Regions and sets by the names under which they are searched for.
function searchable(surface) {
  const sides = { L: "left", R: "right" };
  return surface.groups.flatMap((group) =>
    Object.entries(sides).map(([side, word]) => ({ ...group, side, text: `${inWords(group.name)}, ${word}` })),
  );
}

function findGroup(surface, text) {
  const wanted = inWords(text).trim().toLowerCase();
  if (!wanted) return null;
  const all = searchable(surface);
  const test = (match) => all.find((group) => match(group.text.toLowerCase(), inWords(group.name).toLowerCase()));
  return (
    test((whole) => whole === wanted) ||
    test((_, name) => name === wanted) ||
    test((whole) => whole.startsWith(wanted)) ||
    test((whole) => whole.includes(wanted)) ||
    null
  );
}
