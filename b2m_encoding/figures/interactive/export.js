// What is seen as a file: SVG with the pictures inside and lines and names as vectors, or PNG at twice the size. Two
// maps side by side are one file; each has its legend.

const LINE_STYLE = `path{fill:none;vector-effect:non-scaling-stroke;stroke-linecap:round}.rim{stroke:#6e6e6e}
.halo{stroke:#202020;stroke-opacity:.35;stroke-width:2}.border{stroke:#fff;stroke-width:.9}path.found{stroke:#56e0ff;stroke-width:3}
.plain .border,.plain .halo:not(.found){display:none}text{font-family:Arial,"Liberation Sans",sans-serif}
.names text{fill:#fff;stroke:#202020;paint-order:stroke;text-anchor:middle;dominant-baseline:central;stroke-linejoin:round}
.pin{fill:none;stroke:#fff;stroke-width:2}.word{fill:#202020;font-size:12px}.head{fill:#202020;font-size:14px;font-weight:bold}`;
const MARGIN = 16, TITLE = 22, ROW = 20, KEY = 14;
const measure = element("canvas").getContext("2d");
measure.font = '12px Arial, "Liberation Sans", sans-serif';

const word = (text, x, y, anchor = "start") => shape("text", { class: "word", x, y, "text-anchor": anchor }, text);
const texts = (within, selector) => [...within.querySelectorAll(selector)].map((one) => one.textContent);

// The colour bar or square of a legend with its words; returns its shapes and its height.
function barAsSvg(legend, x, y) {
  const box = legend.querySelector("canvas");
  if (!box) return [[], 0];
  const square = box.classList.contains("square"), wide = square ? 72 : 220, high = square ? 72 : 11;
  const ends = texts(legend, ".ends > span"), label = texts(legend, ".scale > span:last-child, .pair > div > span:last-child");
  const picture = { href: box.toDataURL("image/png"), width: wide, height: high, preserveAspectRatio: "none" };
  if (square) { // its first row is the lowest score
    const words = [ends.join("    "), ...label].map((text, i) => word(text, x + wide + 12, y + 32 + ROW * i));
    return [[shape("image", { ...picture, transform: `translate(${x} ${y + high}) scale(1 -1)` }), ...words], high + 10];
  }
  const numbers = ends.map((text, i) => word(text, x + (wide * i) / 2, y + high + KEY, ["start", "middle", "end"][i]));
  return [[shape("image", { ...picture, x, y }), ...numbers, word(label.join(), x + wide + 12, y + 10)], high + ROW + 4];
}

// A legend at a place, not wider than its map; returns its shapes and its height.
function legendAsSvg(legend, x, y, width) {
  const [parts, height] = barAsSvg(legend, x, y);
  let across = 0, down = height;
  for (const key of legend.querySelectorAll(".key")) {
    const needed = 2 * KEY + 22 + measure.measureText(key.textContent).width;
    if (across > 0 && across + needed > width) [across, down] = [0, down + ROW];
    const colours = key.querySelector(".swatch").dataset.colours.split(";"), wide = (1.6 * KEY) / colours.length;
    colours.forEach((fill, i) => parts.push(shape("rect", { x: x + across + i * wide, y: y + down, width: wide, height: 11, fill })));
    parts.push(word(key.textContent, x + across + 1.6 * KEY + 6, y + down + 10));
    across += needed;
  }
  return [parts, down + ROW];
}

// One map at a place: picture, lines, title and legend; returns its shapes and its height.
function paneAsSvg({ canvas: own, lines, legend }, title, x) {
  const copy = lines.cloneNode(true), [left, top, wide, high] = copy.getAttribute("viewBox").split(" ");
  const below = MARGIN + (title ? TITLE : 0), width = stage.clientWidth, height = stage.clientHeight;
  for (const [key, value] of Object.entries({ x, y: below, width, height })) copy.setAttribute(key, value);
  copy.removeAttribute("id");
  copy.prepend(shape("image", { href: own.toDataURL("image/png"), x: left, y: top, width: wide, height: high, preserveAspectRatio: "none" }));
  const [keys, depth] = legendAsSvg(legend, x, below + height + 10, width);
  const head = title ? [shape("text", { class: "head", x, y: MARGIN + 12 }, title)] : [];
  const sides = ["left", "right"].filter((side) => !$(`${side}-side`).hidden);
  const named = sides.map((side) => word(side, x + (width * parseFloat($(`${side}-side`).style.left)) / 100, below + 12, "middle"));
  return [[...head, copy, ...named, ...keys], below + height + 10 + depth + MARGIN];
}

function viewAsSvg() {
  const shown = scene.second ? panes : panes.slice(0, 1), step = stage.clientWidth + MARGIN;
  const titles = texts($("panes"), ".title"), made = shown.map((pane, i) => paneAsSvg(pane, titles[i], MARGIN + i * step));
  const width = MARGIN + shown.length * step, height = Math.max(...made.map(([, high]) => high));
  const whole = shape("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}` });
  whole.append(shape("style", {}, LINE_STYLE), shape("rect", { width, height, fill: "#fff" }), ...made.flatMap(([parts]) => parts));
  return { text: new XMLSerializer().serializeToString(whole), width, height };
}

function download(address, suffix) {
  const names = [scene, scene.second].filter(Boolean).map(({ map, subject }) => `${map.title} sub-${subject.name}`);
  const name = `${data.title} ${names.join(" beside ")}`.replace(/[^\w-]+/g, "_");
  element("a", { href: address, download: `${name}.${suffix}` }).click();
}

const addressOf = ({ text }) => `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;

async function viewAsPng() {
  const view = viewAsSvg(), picture = new Image();
  picture.src = addressOf(view);
  await picture.decode();
  const large = element("canvas", { width: 2 * view.width, height: 2 * view.height });
  large.getContext("2d").drawImage(picture, 0, 0, large.width, large.height);
  return large.toDataURL("image/png");
}

$("save-svg").addEventListener("click", () => download(addressOf(viewAsSvg()), "svg"));
$("save-png").addEventListener("click", async () => download(await viewAsPng(), "png"));
