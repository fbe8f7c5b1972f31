// The state of the page, and its picture.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const subjectOf = kept((index) => loadSubject(data.subjects[index]));
const surfaceOf = kept((index) => loadSurface(data.surfaces[index]));
const mapOf = kept((index) => loadMap(data.maps[index]));
const player = makePlayer();
const canvas = $("canvas"), stage = $("stage"), tip = $("tip");
const panes = ["", "2"].map((number) => ({ stage: $(`stage${number}`), canvas: $(`canvas${number}`), lines: $(`lines${number}`), legend: $(`legend${number}`) }));
const MOST_PIXELS = 2_500_000;

let state = fromHash(data, location.hash);
let scene = null; // what is loaded and drawn: subject, surface, map, raster ...
let wanted = 0; // number of the latest change

// A change of the state: load what it needs, then draw; later changes overtake earlier ones.
async function change(changes = {}) {
  state = { ...state, ...changes };
  const turn = ++wanted, last = scene && scene.map.label;
  if (state.beside && !fits(data, state.beside, state.subject)) state.beside = null;
  const load = async (which) => which && { subject: await subjectOf(which.subject), map: limited(await mapOf(which.map), null) };
  const [{ subject, map: whole }, second] = await Promise.all([load(state), load(state.beside)]);
  if (last && last !== whole.label && !("limits" in changes)) state.limits = null; // limits of another measure
  const map = limited(whole, state.limits);
  const surface = await surfaceOf(subject.surface);
  if (turn !== wanted) return;
  const fresh = !scene || scene.surface !== surface;
  scene = { ...scene, subject, map, whole, surface, second };
  if (fresh) {
    for (const { lines } of panes) drawLines(lines, surface);
    fillSearch(surface);
    scene.raster = null;
  }
  if (state.target !== null && !(surface.drawn[state.target] ?? 0)) state.target = null;
  scene.group = state.region ? findGroup(surface, state.region) : null;
  state.threshold = Math.min(state.threshold, map.kind === "levels" ? 1 : map.high);
  scene.parts = ingredients(map, subject, state.show, data.level);
  if (second) {
    second.map = second.map.label === map.label && second.map.kind === map.kind ? limited(second.map, state.limits) : second.map;
    second.parts = ingredients(second.map, second.subject, state.show, data.level);
  }
  showPanes();
  draw();
  showSolid();
  fillControls();
  fillLegends();
  showPinned();
  keepHash();
}

// The map with other colour limits; a map of two scores keeps its difference, levels have no limits.
function limited(map, limits) {
  map.words ??= blended(map.table, data.greys);
  if (!limits || map.kind === "levels") return map;
  return { ...map, low: map.kind === "pair" ? 0 : limits[0], high: limits[1] };
}

// One pane or two, each with its title where there are two.
function showPanes() {
  const two = Boolean(scene.second);
  $("panes").classList.toggle("two", two);
  $("views").classList.toggle("two", two);
  panes.forEach(({ stage: own }, i) => {
    const pane = own.parentElement, title = pane.querySelector(".title"), shown = i ? scene.second : scene;
    pane.hidden = !shown;
    title.hidden = !two;
    title.textContent = shown ? `${shown.map.title}, subject ${shown.subject.name}` : "";
  });
}

function draw() {
  if (!stage.clientWidth || !stage.clientHeight) return; // hidden: it is drawn when it gets a size
  const { surface, map, subject, parts } = scene;
  const view = (scene.view = fitted());
  const ratio = pixelRatio();
  const width = Math.round(stage.clientWidth * ratio), height = Math.round(stage.clientHeight * ratio);
  const key = [view.left, view.top, view.width, width, height].join();
  if (!scene.raster || scene.key !== key) {
    const started = performance.now();
    scene.raster = rasterise(surface, view, width, height);
    scene.image = canvas.getContext("2d").createImageData(width, height);
    scene.key = key;
    scene.rasterTime = performance.now() - started;
  }
  const started = performance.now();
  panes.forEach(({ canvas: own, lines }, i) => {
    const shown = i ? scene.second : scene;
    if (!shown) return;
    if (own.width !== width || own.height !== height) [own.width, own.height] = [width, height];
    paint(scene.image, scene.raster, surface, shown.map, shown.parts, state.threshold, state.show === "fade", data.greys);
    own.getContext("2d").putImageData(scene.image, 0, 0);
    placeLines(lines, surface, view, stage.clientWidth, state, scene.group, data.units);
  });
  canvas.dataset.redraw = (performance.now() - started).toFixed(2);
  canvas.dataset.raster = scene.rasterTime.toFixed(2);
  const found = count(map, subject, parts, state.threshold, data.level);
  const significant = qOf(map, subject) ? `, ${found.significant} significant (q < ${data.level})` : "";
  const text = `${map.title}, subject ${subject.name}: ${found.shown} of ${found.tested} tested vertices shown${significant}.`;
  if ($("status").textContent !== text) $("status").textContent = text;
  canvas.setAttribute("aria-label", `Flatmap. ${text}`);
  for (const [id, at] of [["left-side", 0.25], ["right-side", 0.75]]) {
    const x = (surface.width * at - view.left) / view.width;
    $(id).hidden = state.view !== null;
    $(id).style.left = `${100 * x}%`;
  }
}

function pixelRatio() {
  const most = Math.sqrt(MOST_PIXELS / Math.max(1, stage.clientWidth * stage.clientHeight));
  return Math.min(window.devicePixelRatio || 1, most);
}

// The window in mm: as wide as asked for, as high as the stage, and on the flatmap.
function fitted() {
  const { surface } = scene, aspect = stage.clientHeight / stage.clientWidth;
  const most = Math.max(surface.width, surface.height / aspect) * 1.02;
  const width = Math.min(state.view ? state.view.width : most, most);
  const height = width * aspect;
  const centre = (left, size, all) => (size >= all ? (all - size) / 2 : Math.min(Math.max(left, -size / 4), all - 0.75 * size));
  const asked = state.view || { left: -Infinity, top: -Infinity };
  const middle = !state.view;
  return {
    left: middle ? (surface.width - width) / 2 : centre(asked.left, width, surface.width),
    top: middle ? (surface.height - height) / 2 : centre(asked.top, height, surface.height),
    width,
    height,
  };
}

// A window that holds a box, in the shape of the stage.
function around(box) {
  const aspect = stage.clientHeight / stage.clientWidth;
  const width = Math.max(box.width, box.height / aspect);
  return { left: box.left + (box.width - width) / 2, top: box.top + (box.height - width * aspect) / 2, width };
}
