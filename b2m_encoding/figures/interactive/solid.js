// The inflated cortex beside the flatmap: turned with mouse, finger or keys, and flattened step by step.

const VERTEX = `
attribute vec3 flat_, solid, normal; attribute vec4 colour;
uniform mat3 turn; uniform vec3 scale; uniform vec2 middle; uniform float morph, lift;
varying vec4 shade;
void main() {
  vec3 round_ = turn * solid;
  vec3 place = mix(vec3(flat_.xy - middle, 0.0), round_, morph);
  vec3 facing = mix(vec3(0.0, 0.0, 1.0), turn * normal, morph);
  float light = 0.5 + 0.5 * max(dot(normalize(facing), normalize(vec3(-0.25, 0.45, 1.0))), 0.0);
  shade = vec4(colour.rgb * mix(1.0, light + 0.08, morph * step(lift, 0.0)), 1.0);
  gl_Position = vec4(place.xy * scale.xy, -place.z * scale.z - lift, 1.0);
}`;
const FRAGMENT = "precision mediump float; varying vec4 shade; void main() { gl_FragColor = vec4(shade.rgb, 1.0); }";
const VIEWS = { left: [-Math.PI / 2, 0], right: [Math.PI / 2, 0], top: [0, Math.PI / 2], back: [0, 0], front: [Math.PI, 0] };
const solid = { canvas: $("solid"), yaw: -Math.PI / 2 - 0.3, pitch: 0.25, zoom: 1, morph: 1, gl: null, surface: null };

function startSolid() {
  const gl = solid.canvas.getContext("webgl", { antialias: true, preserveDrawingBuffer: true, alpha: true });
  if (!gl || !gl.getExtension("OES_element_index_uint")) return ($("turning").hidden = true), null;
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.enable(gl.DEPTH_TEST);
  return Object.assign(gl, { program });
}

// Buffers of a surface: both shapes, normals, triangles of the flatmap, those of the medial wall, outlines.
function loadSolid(gl, surface) {
  const n = surface.labels.length, points = new Float32Array(3 * n), flat = new Float32Array(3 * n);
  for (let i = 0; i < n; i++) {
    for (let axis = 0; axis < 3; axis++) points[3 * i + axis] = surface.solid[axis * n + i] * surface.coarse;
    flat.set([surface.x[i], surface.height - surface.y[i], 0], 3 * i);
  }
  const all = new Uint32Array([...surface.triangles, ...surface.wall]);
  const normal = normals(points, all), ends = segments(surface.triangles, surface.labels), m = ends.length / 2;
  const half = (values) => Float32Array.from({ length: 3 * m }, (_, k) => {
    const at = Math.trunc(k / 3), axis = k % 3;
    return (values[3 * ends[2 * at] + axis] + values[3 * ends[2 * at + 1] + axis]) / 2;
  });
  const buffer = (values, kind = gl.ARRAY_BUFFER) => {
    const made = gl.createBuffer();
    gl.bindBuffer(kind, made);
    gl.bufferData(kind, values, gl.STATIC_DRAW);
    return made;
  };
  const mesh = (parts) => Object.fromEntries(Object.entries(parts).map(([name, values]) => [name, buffer(values)]));
  const identity = Uint32Array.from({ length: 3 * n }, (_, k) => Math.trunc(k / 3));
  const raster = { triangle: Int32Array.from({ length: n }, (_, i) => 3 * i), first: new Float32Array(n).fill(1),
    second: new Float32Array(n), sulcus: Uint8Array.from(surface.depth, (depth) => levelOf(depth, surface.depths)) };
  const reach = points.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
  let high = 0; // the tallest of all views: the length of a hemisphere, seen from above
  for (let i = 1; i < points.length; i += 3) high = Math.max(high, 2.1 * Math.abs(points[i + 1]), 1.5 * Math.abs(points[i]));
  return { points, raster, identity, reach, high, n: all.length, nFlat: surface.triangles.length, m, surface,
    cortex: mesh({ flat_: flat, solid: points, normal }), lines: mesh({ flat_: half(flat), solid: half(points), normal: half(normal) }),
    colour: gl.createBuffer(), index: buffer(all, gl.ELEMENT_ARRAY_BUFFER) };
}

// Colours of the vertices, by the function that paints the flatmap: every vertex is a pixel.
function colourSolid() {
  if (!solid.gl || !solid.mesh) return;
  const { gl, mesh } = solid, n = mesh.surface.labels.length, image = { data: new Uint8ClampedArray(4 * n) };
  paint(image, mesh.raster, { triangles: mesh.identity }, scene.map, scene.parts, state.threshold, state.show === "fade", data.greys);
  gl.bindBuffer(gl.ARRAY_BUFFER, mesh.colour);
  gl.bufferData(gl.ARRAY_BUFFER, image.data, gl.STATIC_DRAW);
}

function showSolid() {
  const { surface } = scene;
  $("turning").hidden = !surface.solid;
  if (!surface.solid) return;
  solid.gl ??= startSolid();
  if (!solid.gl) return;
  if (solid.mesh?.surface !== surface) solid.mesh = loadSolid(solid.gl, surface);
  colourSolid();
  drawSolid();
}

function drawSolid() {
  const { gl, mesh, canvas: own } = solid;
  if (!gl || !mesh || !own.clientWidth) return;
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const [width, height] = [Math.round(own.clientWidth * ratio), Math.round(own.clientHeight * ratio)];
  if (own.width !== width || own.height !== height) [own.width, own.height] = [width, height];
  gl.viewport(0, 0, width, height);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  const place = (name) => gl.getUniformLocation(gl.program, name);
  const size = solidScale();
  gl.uniformMatrix3fv(place("turn"), false, rotation(solid.yaw, solid.pitch));
  gl.uniform3f(place("scale"), (2 * size) / own.clientWidth, (2 * size) / own.clientHeight, 1 / (2 * mesh.reach));
  gl.uniform2f(place("middle"), mesh.surface.width / 2, mesh.surface.height / 2);
  gl.uniform1f(place("morph"), solid.morph);
  const bind = (parts, constant) => {
    for (const [name, one] of Object.entries({ ...parts, ...(constant ? {} : { colour: mesh.colour }) })) {
      const at = gl.getAttribLocation(gl.program, name), bytes = name === "colour";
      gl.bindBuffer(gl.ARRAY_BUFFER, one);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, bytes ? 4 : 3, bytes ? gl.UNSIGNED_BYTE : gl.FLOAT, bytes, 0, 0);
    }
    const at = gl.getAttribLocation(gl.program, "colour");
    if (constant) gl.disableVertexAttribArray(at), gl.vertexAttrib4f(at, ...constant);
  };
  gl.uniform1f(place("lift"), 0);
  bind(mesh.cortex);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, mesh.index);
  gl.drawElements(gl.TRIANGLES, solid.morph > 0.97 ? mesh.n : mesh.nFlat, gl.UNSIGNED_INT, 0);
  if (state.outlines) {
    gl.uniform1f(place("lift"), 0.004);
    bind(mesh.lines, [1, 1, 1, 1]);
    gl.drawArrays(gl.LINES, 0, mesh.m);
  }
}

// Pixels of the screen per mm.
function solidScale() {
  const { canvas: own, mesh, zoom, morph } = solid;
  const wide = mesh.surface.width * (1 - morph) + 2 * mesh.reach * morph, high = mesh.surface.height * (1 - morph) + mesh.high * morph;
  return zoom * 0.96 * Math.min(own.clientWidth / wide, own.clientHeight / high);
}

// The vertex in front at a place of the view; -1: none.
function solidTarget(event) {
  const { mesh, canvas: own } = solid, box = own.getBoundingClientRect(), matrix = rotation(solid.yaw, solid.pitch), size = solidScale();
  const x = (event.clientX - box.left - box.width / 2) / size, y = -(event.clientY - box.top - box.height / 2) / size;
  let best = -1, front = -Infinity;
  for (let i = 0; i < mesh.points.length / 3; i++) {
    const [u, v, w] = turned(matrix, mesh.points[3 * i], mesh.points[3 * i + 1], mesh.points[3 * i + 2]);
    if (w > front && Math.hypot(u - x, v - y) < 2.5 && mesh.surface.drawn[i]) [best, front] = [i, w];
  }
  return best;
}

function turnTo(view) {
  [solid.yaw, solid.pitch] = VIEWS[view];
  solid.zoom = 1;
  drawSolid();
}

function turnBy(yaw, pitch) {
  solid.yaw += yaw;
  solid.pitch = Math.min(Math.max(solid.pitch + pitch, -Math.PI / 2), Math.PI / 2);
  drawSolid();
}

let held = null, moved = false;
solid.canvas.addEventListener("pointerdown", (event) => {
  solid.canvas.setPointerCapture(event.pointerId);
  [held, moved] = [event, false];
});
solid.canvas.addEventListener("pointermove", (event) => {
  if (!held) return;
  const [x, y] = [event.clientX - held.clientX, event.clientY - held.clientY];
  if (!moved && Math.hypot(x, y) < 4) return;
  [held, moved] = [event, true];
  turnBy(-x / 150, y / 150);
});
solid.canvas.addEventListener("pointerup", (event) => {
  if (held && !moved && solid.morph > 0.97) {
    const target = solidTarget(event);
    if (target >= 0) change({ target });
  }
  held = null;
});
solid.canvas.addEventListener("pointercancel", () => (held = null));
solid.canvas.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  solid.zoom = Math.min(Math.max(solid.zoom * Math.exp(-event.deltaY / 300), 0.7), 8);
  drawSolid();
}, { passive: false });
solid.canvas.addEventListener("keydown", (event) => {
  const turns = { ArrowLeft: [0.15, 0], ArrowRight: [-0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] };
  if (!turns[event.key]) return;
  event.preventDefault();
  event.stopPropagation();
  turnBy(...turns[event.key]);
});
$("morph").addEventListener("input", (event) => {
  solid.morph = Number(event.target.value);
  drawSolid();
});
for (const button of document.querySelectorAll("[data-turn]")) button.addEventListener("click", () => turnTo(button.dataset.turn));
new ResizeObserver(() => drawSolid()).observe(solid.canvas);
