// The map as a file: SVG with the picture inside and lines and names as vectors, or PNG at twice the size.

const LINE_STYLE = `path{fill:none;vector-effect:non-scaling-stroke;stroke-linecap:round}.rim{stroke:#6e6e6e}
.halo{stroke:#202020;stroke-opacity:.35;stroke-width:2}.border{stroke:#fff;stroke-width:.9}path.found{stroke:#56e0ff;stroke-width:3}
.plain .border,.plain .halo:not(.found){display:none}text{fill:#fff;stroke:#202020;paint-order:stroke;text-anchor:middle;
dominant-baseline:central;stroke-linejoin:round;font-family:Arial,"Liberation Sans",sans-serif}.pin{fill:none;stroke:#fff;stroke-width:2}`;

function mapAsSvg() {
  const copy = $("lines").cloneNode(true), [left, top, width, height] = copy.getAttribute("viewBox").split(" ");
  copy.setAttribute("xmlns", SVG);
  copy.setAttribute("width", stage.clientWidth);
  copy.setAttribute("height", stage.clientHeight);
  copy.prepend(shape("image", { href: canvas.toDataURL("image/png"), x: left, y: top, width, height }));
  copy.prepend(shape("style", {}, LINE_STYLE));
  return new XMLSerializer().serializeToString(copy);
}

function download(address, suffix) {
  const name = `${data.title} ${scene.map.title} sub-${scene.subject.name}`.replace(/[^\w-]+/g, "_");
  element("a", { href: address, download: `${name}.${suffix}` }).click();
}

const svgAddress = () => `data:image/svg+xml;charset=utf-8,${encodeURIComponent(mapAsSvg())}`;

async function mapAsPng() {
  const picture = new Image();
  picture.src = svgAddress();
  await picture.decode();
  const large = element("canvas", { width: 2 * stage.clientWidth, height: 2 * stage.clientHeight });
  large.getContext("2d").drawImage(picture, 0, 0, large.width, large.height);
  return large.toDataURL("image/png");
}

$("save-svg").addEventListener("click", () => download(svgAddress(), "svg"));
$("save-png").addEventListener("click", async () => download(await mapAsPng(), "png"));
