// The colour bar or legend of a map, and the keys of what has no colour.

// Colours of a table as they look over the underlay.
function overGrey(table, grey) {
  const seen = Uint8ClampedArray.from(table);
  for (let i = 0; i < table.length; i += 4) {
    const opaque = table[i + 3] / 255;
    for (let channel = 0; channel < 3; channel++) seen[i + channel] = table[i + channel] * opaque + grey * (1 - opaque);
    seen[i + 3] = 255;
  }
  return seen;
}

function middle(greys) {
  return (greys[0] + greys[greys.length - 1]) / 2;
}

function fillLegends() {
  panes.forEach(({ legend }, i) => {
    const shown = i ? scene.second : scene;
    legend.replaceChildren(...(shown ? legendOf(shown) : []));
  });
}

// Whether colours in the map lie beyond the ends of its bar: below, and above.
function clipped({ map, parts }) {
  const beyond = (test) => parts.one.some((value, i) => parts.tested[i] && parts.alpha[i] > 0 && test(value));
  return [beyond((value) => value < map.low), beyond((value) => value > map.high)];
}

function legendOf({ map, subject, parts: drawn }) {
  const box = element("canvas", { role: "img", "aria-label": `Colours of ${map.label}` });
  const colours = overGrey(map.table, middle(data.greys.levels));
  const side = map.kind === "pair" ? map.side : 0;
  const key = (tints, text) => { // one colour, or a stripe of each
    const swatch = element("span", { class: "swatch", "data-colours": tints.join(";") });
    const part = 100 / tints.length;
    swatch.style.background = `linear-gradient(90deg, ${tints.map((tint, i) => `${tint} ${i * part}% ${(i + 1) * part}%`)})`;
    return element("span", { class: "key" }, swatch, text);
  };
  const colourAt = (i) => `rgb(${colours.slice(i, i + 3).join(", ")})`;
  const parts = [];
  if (map.kind === "levels") {
    map.levels.forEach((name, i) => parts.push(key([colourAt(4 * i)], name)));
  } else {
    box.width = side || map.n;
    box.height = side || 1;
    box.getContext("2d").putImageData(new ImageData(colours, box.width, box.height), 0, 0);
    if (side) {
      const [one, other] = map.scores.map((score) => data.scores.find(({ key: own }) => own === score).title);
      box.className = "square";
      const across = element("span", { class: "ends" }, element("span", {}, `\u2190 ${one}`), element("span", {}, `${other} \u2192`));
      const up = element("span", {}, `across: difference, \u00b1${number(map.difference, 2)}; upwards: the larger, 0 to ${number(map.high, 2)}`);
      parts.push(element("div", { class: "pair" }, box, element("div", {}, across, up)));
      const last = 4 * (side * side - side / 2);
      if (map.undecided) parts.push(key([colourAt(last)], "no preference"));
    } else {
      const [below, above] = clipped({ map, parts: drawn });
      const marks = [below ? "\u2264 " : "", "", above ? "\u2265 " : ""];
      const ends = [map.low, (map.low + map.high) / 2, map.high].map((value, i) => element("span", {}, marks[i] + number(value, 2)));
      parts.push(element("div", { class: "scale" }, box, element("span", { class: "ends" }, ...ends), element("span", {}, map.label)));
    }
  }
  const pair = ({ 0: first, length, [length - 1]: last }) => [first, last];
  const stripes = (greys) => pair(greys).map((g) => `rgb(${g}, ${g}, ${g})`);
  const hidden = [];
  if (qOf(map, subject) && state.show !== "all") hidden.push("not significant");
  if (state.threshold > 0) hidden.push("below the threshold");
  if (hidden.length) parts.push(key(stripes(data.greys.levels), hidden.join(" or ")));
  parts.push(key(stripes(data.greys.pale), "not tested"));
  return parts;
}
