// Mouse and fingers on the map, and the pinned target.

function showPinned() {
  const panel = $("panel");
  if (!scene.hint) scene.hint = panel.querySelector(".hint");
  if (state.target === null) {
    player.audio.pause();
    delete panel.dataset.target;
    if (scene.group) fillRegion(panel, data, scene, () => change({ region: null }));
    else panel.replaceChildren(scene.hint);
    return;
  }
  const key = `${state.subject} ${state.target}`;
  if (panel.dataset.target === key) return;
  panel.dataset.target = key;
  player.audio.pause();
  fillPanel(panel, data, scene.subject, scene.surface, state.target, player, () => change({ target: null }));
}

// The strongest target among those shown, within the found region and the window.
function strongest() {
  const { surface, subject, map, parts, group, view } = scene;
  const measure = strengthOf(map);
  let best = null, most = -Infinity;
  for (let i = 0; i < parts.tested.length; i++) {
    if (!surface.drawn[i] || !parts.tested[i] || !parts.alpha[i]) continue;
    if (group && (!group.labels.includes(surface.labels[i]) || sideOf(surface, i) !== group.side)) continue;
    const x = surface.x[i] - view.left, y = surface.y[i] - view.top;
    if (x < 0 || y < 0 || x > view.width || y > view.height) continue;
    const strong = parts.strength ? parts.strength[i] : measure(parts.one[i], parts.other ? parts.other[i] : parts.one[i]);
    if (strong > most) [best, most] = [i, strong];
  }
  if (best === null) return;
  change({ target: best });
  $("panel").focus(); // from there the Tab key goes on to its buttons
}

function keepHash() {
  try {
    history.replaceState(null, "", toHash(data, state));
  } catch {
    // a page inside another one may have no address of its own
  }
}

const pointers = new Map();
let dragged = false;

function at(event) {
  const box = event.currentTarget.getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
  const target = targetAt(scene.raster, scene.surface, Math.floor(x * canvas.width), Math.floor(y * canvas.height));
  return { target, x: scene.view.left + x * scene.view.width, y: scene.view.top + y * scene.view.height };
}

function showTip(event) {
  const { target } = at(event), own = event.currentTarget, shown = own === stage ? scene : scene.second;
  tip.hidden = target < 0;
  markCursor(target, own);
  if (target < 0) return;
  if (tip.parentElement !== own) own.append(tip);
  if (tip.dataset.target !== `${shown.subject.name} ${target}`) {
    fillTip(tip, data, shown.subject, scene.surface, target);
    tip.dataset.target = `${shown.subject.name} ${target}`;
  }
  const box = own.getBoundingClientRect();
  const x = event.clientX - box.left, y = event.clientY - box.top;
  const left = x + 16 + tip.offsetWidth > box.width ? x - 16 - tip.offsetWidth : x + 16;
  const lowest = window.innerHeight - box.top - tip.offsetHeight - 8;
  tip.style.left = `${Math.max(4, Math.min(left, box.width - tip.offsetWidth - 4))}px`;
  tip.style.top = `${Math.min(y + 16, lowest)}px`;
}

// The same vertex in the other pane.
function markCursor(target, own) {
  for (const { stage: one, lines } of panes) {
    const cursor = lines.querySelector(".cursor"), shown = scene.second && one !== own && target >= 0;
    cursor.setAttribute("visibility", shown ? "visible" : "hidden");
    if (!shown) continue;
    cursor.setAttribute("cx", scene.surface.x[target] * data.units);
    cursor.setAttribute("cy", scene.surface.y[target] * data.units);
    cursor.setAttribute("r", (4 * scene.view.width * data.units) / stage.clientWidth);
  }
}

function spread() {
  const [one, other] = [...pointers.values()];
  return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
}

function listen(own) {
  own.addEventListener("pointerdown", (event) => {
    if (!scene || event.button > 0) return;
    pointers.set(event.pointerId, event);
    dragged = pointers.size > 1;
  });

  own.addEventListener("pointermove", (event) => {
    if (!scene) return;
    const before = pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") showTip(event);
      return;
    }
    const moved = [event.clientX - before.clientX, event.clientY - before.clientY];
    if (!dragged && Math.hypot(...moved) < 4) return;
    if (!dragged) own.setPointerCapture(event.pointerId);
    dragged = true;
    tip.hidden = true;
    const apart = pointers.size === 2 ? spread() : 0;
    pointers.set(event.pointerId, event);
    const scale = scene.view.width / stage.clientWidth;
    if (apart > 0) {
      const { x, y } = at(event);
      zoomBy(apart / Math.max(spread(), 1), x, y);
    } else if (state.view) {
      change({ view: { ...scene.view, left: scene.view.left - moved[0] * scale, top: scene.view.top - moved[1] * scale }, part: "" });
    }
  });

  for (const name of ["pointerup", "pointercancel"]) {
    own.addEventListener(name, (event) => {
      if (!pointers.delete(event.pointerId) || dragged || name === "pointercancel") return;
      const { target } = at(event);
      if (target >= 0) change({ target });
    });
  }

  own.addEventListener("pointerleave", () => {
    tip.hidden = true;
    if (scene) markCursor(-1, own);
  });
  own.addEventListener("dblclick", (event) => {
    const { x, y } = at(event);
    zoomBy(0.5, x, y);
  });
  own.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the page
    event.preventDefault();
    const { x, y } = at(event);
    zoomBy(Math.exp(event.deltaY / 300), x, y);
  }, { passive: false });
}

for (const pane of panes) listen(pane.stage);
