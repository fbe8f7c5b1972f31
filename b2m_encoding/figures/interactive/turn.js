// Rotations and projection of the solid view, as matrices of three columns.

function rotation(yaw, pitch) {
  const [c, s, d, t] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  // x to the right, y upwards on the screen, z towards the reader; the head is seen from its back at yaw 0
  return [c, t * s, d * s, s, -t * c, -d * c, 0, d, -t];
}

function turned(matrix, x, y, z) {
  return [0, 1, 2].map((row) => matrix[row] * x + matrix[3 + row] * y + matrix[6 + row] * z);
}

// Normals of the vertices of a mesh: the mean of those of their triangles.
function normals(points, triangles) {
  const n = points.length / 3, out = new Float32Array(3 * n);
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [3 * triangles[t], 3 * triangles[t + 1], 3 * triangles[t + 2]];
    const u = [0, 1, 2].map((i) => points[b + i] - points[a + i]), v = [0, 1, 2].map((i) => points[c + i] - points[a + i]);
    const normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    for (const corner of [a, b, c]) for (let i = 0; i < 3; i++) out[corner + i] += normal[i];
  }
  for (let i = 0; i < out.length; i += 3) {
    const length = Math.hypot(out[i], out[i + 1], out[i + 2]) || 1;
    for (let k = 0; k < 3; k++) out[i + k] /= length;
  }
  return out;
}

// Segments between the midpoints of edges whose ends have other labels: pairs of vertices, four per segment.
function segments(triangles, labels) {
  const found = [];
  for (let t = 0; t < triangles.length; t += 3) {
    const corner = [triangles[t], triangles[t + 1], triangles[t + 2]], crossed = [];
    for (let i = 0; i < 3; i++) {
      const a = corner[i], b = corner[(i + 1) % 3];
      if (labels[a] !== labels[b]) crossed.push(a, b);
    }
    if (crossed.length >= 4) found.push(...crossed.slice(0, 4));
    if (crossed.length === 6) found.push(...crossed.slice(2, 6));
  }
  return Uint32Array.from(found);
}
