// Which triangle every pixel of a window shows, with the barycentric weights of its first two corners.

function rasterise(surface, view, width, height) {
  const triangle = new Int32Array(width * height).fill(-1);
  const first = new Float32Array(width * height);
  const second = new Float32Array(width * height);
  const scale = width / view.width;
  const { x, y, triangles } = surface;
  for (let t = 0; t < triangles.length; t += 3) {
    const a = triangles[t], b = triangles[t + 1], c = triangles[t + 2];
    const ax = (x[a] - view.left) * scale, ay = (y[a] - view.top) * scale;
    const bx = (x[b] - view.left) * scale, by = (y[b] - view.top) * scale;
    const cx = (x[c] - view.left) * scale, cy = (y[c] - view.top) * scale;
    const left = Math.max(0, Math.ceil(Math.min(ax, bx, cx) - 0.5));
    const right = Math.min(width - 1, Math.floor(Math.max(ax, bx, cx) - 0.5));
    const top = Math.max(0, Math.ceil(Math.min(ay, by, cy) - 0.5));
    const bottom = Math.min(height - 1, Math.floor(Math.max(ay, by, cy) - 0.5));
    const area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
    if (left > right || top > bottom || area === 0) continue;
    const right_u = (by - cy) / area, right_v = (cy - ay) / area; // how the weights change from pixel to pixel
    for (let row = top; row <= bottom; row++) {
      const px = left + 0.5, py = row + 0.5;
      let u = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area;
      let v = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area;
      for (let column = left; column <= right; column++, u += right_u, v += right_v) {
        if (u < -1e-5 || v < -1e-5 || u + v > 1.00001) continue;
        const pixel = row * width + column;
        triangle[pixel] = t;
        first[pixel] = Math.max(u, 0);
        second[pixel] = Math.max(v, 0);
      }
    }
  }
  return { width, height, triangle, first, second, sulcus: levels(surface, triangle, first, second) };
}

// Level of the underlay, from gyrus to sulcus, of a depth.
function levelOf(depth, [low, high]) {
  const n = data.greys.levels.length;
  return Math.min(Math.max(Math.trunc(((depth - low) / (high - low)) * n), 0), n - 1);
}

// Level of the underlay at every pixel.
function levels({ triangles, depth, depths }, triangle, first, second) {
  const found = new Uint8Array(triangle.length);
  for (let pixel = 0; pixel < triangle.length; pixel++) {
    const t = triangle[pixel];
    if (t < 0) continue;
    const u = first[pixel], v = second[pixel];
    const here = u * depth[triangles[t]] + v * depth[triangles[t + 1]] + (1 - u - v) * depth[triangles[t + 2]];
    found[pixel] = levelOf(here, depths);
  }
  return found;
}

// The target with the largest weight at a pixel, -1 outside the cortex.
function targetAt(raster, surface, column, row) {
  if (column < 0 || row < 0 || column >= raster.width || row >= raster.height) return -1;
  const pixel = row * raster.width + column;
  const t = raster.triangle[pixel];
  if (t < 0) return -1;
  const u = raster.first[pixel], v = raster.second[pixel], w = 1 - u - v;
  return surface.triangles[t + (u >= v ? (u >= w ? 0 : 2) : v >= w ? 1 : 2)];
}
