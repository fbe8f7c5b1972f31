// Region outlines, names, the found region and the pinned vertex, as SVG above the map.

const SVG = "http://www.w3.org/2000/svg";

function shape(kind, attributes, text) {
  const element = document.createElementNS(SVG, kind);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// All borders, or the outer border of a group of labels in one hemisphere or both.
function borders(surface, group) {
  const inside = (label) => group.labels.includes(label);
  return surface.arcs
    .filter(([one, other, side]) => !group || (inside(one) !== inside(other) && (!group.side || group.side === side)))
    .map((arc) => arc[3])
    .join("");
}

// What belongs to a surface and does not change with the view.
function drawLines(svg, surface) {
  svg.replaceChildren(
    shape("path", { d: surface.rim, class: "rim" }),
    shape("path", { d: borders(surface), class: "halo" }),
    shape("path", { d: borders(surface), class: "border" }),
    shape("path", { class: "halo found" }),
    shape("path", { class: "found" }),
    shape("g", { class: "names" }),
    shape("circle", { class: "pin dark", visibility: "hidden" }),
    shape("circle", { class: "pin", visibility: "hidden" }),
    shape("circle", { class: "cursor", visibility: "hidden" }),
  );
}

// Region names where they have room, the found region, the pin; sizes are those of the screen.
function placeLines(svg, surface, view, pixels, state, group, units) {
  const scale = view.width / pixels; // mm per pixel of the screen
  svg.setAttribute("viewBox", [view.left, view.top, view.width, view.height].map((mm) => mm * units).join(" "));
  svg.classList.toggle("plain", !state.outlines);
  svg.classList.toggle("far", scale > 0.35);
  for (const path of svg.querySelectorAll(".found")) {
    path.setAttribute("d", group ? borders(surface, group) : "");
  }
  const size = 11 * scale * units;
  const names = surface.places
    .filter(([, , , room]) => state.outlines && (2 * room) / scale >= 13)
    .filter(([, x, y]) => x > view.left && x < view.left + view.width && y > view.top && y < view.top + view.height)
    .map(([label, x, y]) => {
      const place = { x: x * units, y: y * units, "font-size": size, "stroke-width": 0.28 * size };
      return shape("text", place, inWords(surface.regions[label]));
    });
  svg.querySelector(".names").replaceChildren(...names);
  for (const pin of svg.querySelectorAll(".pin")) {
    pin.setAttribute("visibility", state.target === null ? "hidden" : "visible");
    if (state.target === null) continue;
    pin.setAttribute("cx", surface.x[state.target] * units);
    pin.setAttribute("cy", surface.y[state.target] * units);
    pin.setAttribute("r", 6 * scale * units);
  }
}

// The smallest window around some labels of one hemisphere, or both, with a margin in mm.
function windowAround(surface, labels, side, margin) {
  const wanted = new Set(labels);
  let left = Infinity, right = -Infinity, top = Infinity, bottom = -Infinity;
  for (let i = 0; i < surface.labels.length; i++) {
    if (!surface.drawn[i] || !wanted.has(surface.labels[i]) || (side && side !== sideOf(surface, i))) continue;
    left = Math.min(left, surface.x[i]);
    right = Math.max(right, surface.x[i]);
    top = Math.min(top, surface.y[i]);
    bottom = Math.max(bottom, surface.y[i]);
  }
  if (left > right) return null;
  return { left: left - margin, top: top - margin, width: right - left + 2 * margin, height: bottom - top + 2 * margin };
}

function sideOf(surface, target) {
  return target < surface.counts[0] ? "L" : "R";
}

// The window of one hemisphere.
function hemisphere(surface, side) {
  const everywhere = surface.regions.map((_, label) => label);
  return windowAround(surface, everywhere, side, 2);
}
