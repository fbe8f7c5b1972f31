// Keys, and the start of the page.

const KEYS = {
  ArrowRight: () => switchMap(1),
  ArrowLeft: () => switchMap(-1),
  ArrowDown: () => switchSubject(1),
  ArrowUp: () => switchSubject(-1),
  "+": () => setThreshold(state.threshold + Number($("threshold").max) / 20),
  "=": () => KEYS["+"](),
  "-": () => setThreshold(state.threshold - Number($("threshold").max) / 20),
  "]": () => moveLimit("high", 1),
  "[": () => moveLimit("high", -1),
  "}": () => moveLimit("low", 1),
  "{": () => moveLimit("low", -1),
  0: () => change({ limits: null }),
  b: nextBeside,
  o: () => change({ outlines: !state.outlines }),
  p: strongest,
  z: () => {
    const parts = [...document.querySelectorAll("[data-view]:not([hidden])")].map((one) => one.dataset.view).slice(0, -2);
    showPart(parts[(parts.indexOf(state.view ? state.part : "both") + 1) % parts.length]);
  },
  "/": () => {
    $("search").focus();
    $("search").select();
  },
  Escape: () => {
    if (state.target !== null) change({ target: null });
    else if (state.region) change({ region: null });
    else change({ view: null, part: "both" });
  },
};

document.addEventListener("keydown", (event) => {
  if (!scene || event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input, select, textarea, audio");
  if (typing && event.key === "Escape") {
    event.preventDefault(); // else the field is emptied
    event.target.blur();
    return;
  }
  const own = event.target.matches("[type=checkbox], [type=range]") && !event.key.startsWith("Arrow");
  if (!KEYS[event.key] || (typing && !own)) return;
  event.preventDefault();
  KEYS[event.key]();
});

const option = (text, i) => element("option", { value: String(i) }, text);
$("map").append(...data.maps.map(({ title }, i) => option(title, i)));
$("subject").append(...data.subjects.map(({ name }, i) => option(name, i)));
$("controls").addEventListener("submit", (event) => {
  event.preventDefault();
  findRegion($("search").value);
});
$("map").addEventListener("change", (event) => {
  const map = Number(event.target.value);
  const there = data.maps[map].subjects;
  change({ map, subject: there.includes(state.subject) ? state.subject : there[0] });
});
$("subject").addEventListener("change", (event) => chooseSubject(Number(event.target.value)));
$("show").addEventListener("change", (event) => change({ show: event.target.value }));
$("threshold").addEventListener("input", (event) => setThreshold(Number(event.target.value)));
for (const id of ["limit-low", "limit-high"]) {
  $(id).addEventListener("change", () => setLimits(Number($("limit-low").value), Number($("limit-high").value)));
}
$("limit-reset").addEventListener("click", () => change({ limits: null }));
$("beside").addEventListener("change", (event) => {
  const list = choices();
  change({ beside: event.target.value === "" ? null : (list[Number(event.target.value)] ?? state.beside) });
});
$("outlines").addEventListener("change", (event) => change({ outlines: event.target.checked }));
$("search").addEventListener("change", (event) => findRegion(event.target.value));
$("search").addEventListener("input", (event) => event.target.setCustomValidity(""));
for (const button of document.querySelectorAll("[data-view]")) button.addEventListener("click", () => showPart(button.dataset.view));
window.addEventListener("hashchange", () => change(fromHash(data, location.hash)));
new ResizeObserver(() => scene && scene.parts && draw()).observe(stage);

change().then(
  () => (document.documentElement.dataset.ready = "true"),
  (error) => {
    $("problem").textContent = `This page cannot be shown: ${error.message}`;
    $("problem").hidden = false;
    throw error;
  },
);
