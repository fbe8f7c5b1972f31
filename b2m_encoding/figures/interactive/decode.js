// From the data of the page to typed arrays; NaN where a number is missing.

const MISSING = 65535;

async function unpack(text, Type) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Type(await new Response(stream).arrayBuffer());
}

async function decode(coded) {
  const codes = await unpack(coded.data, Uint16Array);
  return Float32Array.from(codes, (code) => (code === MISSING ? NaN : coded.low + code * coded.step));
}

// Triangles come sorted, as differences: of first corners, then of each corner to the one before it.
function corners(differences) {
  const n = differences.length / 3;
  const triangles = new Uint32Array(3 * n);
  for (let i = 0, first = 0; i < n; i++) {
    first += differences[i];
    const second = first + differences[n + i];
    triangles.set([first, second, second + differences[2 * n + i]], 3 * i);
  }
  return triangles;
}

// A surface: flat positions in mm from the upper left corner, triangles, underlay and labels.
async function loadSurface(surface) {
  const [points, differences, depth, labels, solid, wall] = await Promise.all([
    unpack(surface.points, Uint16Array),
    unpack(surface.triangles, Int32Array),
    unpack(surface.depth, Int8Array),
    unpack(surface.labels, Uint16Array),
    surface.solid && unpack(surface.solid, Int16Array),
    surface.wall && unpack(surface.wall, Int32Array),
  ]);
  const n = labels.length, triangles = corners(differences);
  const x = Float32Array.from(points.subarray(0, n), (place) => place * surface.place);
  const y = Float32Array.from(points.subarray(n), (place) => place * surface.place);
  const drawn = new Uint8Array(n);
  for (const vertex of triangles) drawn[vertex] = 1;
  const [width, height] = surface.size;
  return { ...surface, x, y, width, height, triangles, depth, labels, drawn, solid, wall: wall && corners(wall) };
}

async function decodeAll(table) {
  const entries = Object.entries(table).map(async ([key, coded]) => [key, await decode(coded)]);
  return Object.fromEntries(await Promise.all(entries));
}

async function loadSubject(subject) {
  const intervals = Object.entries(subject.intervals).map(async ([key, pair]) => [
    key,
    await Promise.all(pair.map(decode)),
  ]);
  const { q, preference, courses, best } = subject;
  return {
    name: subject.name,
    surface: subject.surface,
    scores: await decodeAll(subject.scores),
    intervals: Object.fromEntries(await Promise.all(intervals)),
    q: q && (await decode(q)),
    own: await decodeAll(subject.own),
    preference: preference && (await decode(preference)),
    courses: courses && {
      ...courses,
      row: await unpack(courses.row, Uint16Array),
      measured: await decode(courses.measured),
      predicted: await decode(courses.predicted),
    },
    best: best && {
      ...best,
      clips: await unpack(best.clips, Uint16Array),
      responses: await decode(best.responses),
    },
  };
}

async function loadMap(map) {
  return { ...map, table: await unpack(map.table, Uint8Array) };
}

// A function of one argument that keeps what it returned.
function kept(make) {
  const found = new Map();
  return (key) => {
    if (!found.has(key)) found.set(key, make(key));
    return found.get(key);
  };
}
