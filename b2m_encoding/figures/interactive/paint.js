// Colours of a map at every pixel, in one loop over the picture.

// Opacity of every target: what is significant, all of it, or rising with significance.
function opacity(subject, tested, show, level) {
  if (!subject.q || show === "all") return tested.map((known) => known);
  const fade = Math.log(level);
  return Float32Array.from(subject.q, (q, i) => {
    if (!tested[i] || Number.isNaN(q)) return 0;
    if (q < level) return 1;
    return show === "fade" ? Math.max(0, Math.log(q) / fade) ** 2 : 0;
  });
}

function step(value, low, high, n) {
  return Math.trunc(Math.min(Math.max(((value - low) * (n - 1)) / (high - low) + 0.5, 0), n - 1));
}

// The entry of a colour table for one score, or two: the same steps as in the printed figures.
function entryOf(map) {
  if (map.kind === "pair") {
    return (one, other) =>
      step(Math.max(one, other), 0, map.high, map.side) * map.side +
      step(other - one, -map.difference, map.difference, map.side);
  }
  if (map.kind === "levels") return (level) => Math.round(level);
  return (value) => step(value, map.low, map.high, map.n);
}

// What the threshold is compared with.
function strengthOf(map) {
  if (map.kind === "pair") return Math.max;
  return map.low < 0 ? Math.abs : (value) => value;
}

function known(scores, n) {
  return Float32Array.from({ length: n }, (_, i) => (scores.every((score) => Number.isFinite(score[i])) ? 1 : 0));
}

// Arrays of a map without NaN, and what is tested, shown and strong.
function ingredients(map, subject, show, level) {
  const given = map.scores.map((key) => subject.scores[key]);
  const tested = known(given, given[0].length);
  const clean = (values) => Float32Array.from(values, (value) => (Number.isFinite(value) ? value : 0));
  const alpha = opacity(subject, tested, show, level);
  if (map.kind === "levels") given[0].forEach((value, i) => { if (value < 0) alpha[i] = 0; });
  const strength = map.strength ? clean(subject.scores[map.strength]) : null;
  return { one: clean(given[0]), other: given[1] ? clean(given[1]) : null, tested, alpha, strength };
}

function paint(image, raster, surface, map, parts, threshold, soft, greys) {
  const out = new Uint32Array(image.data.buffer);
  const { triangle, first, second, sulcus } = raster;
  const { triangles } = surface;
  const { one, other, tested, alpha, strength } = parts;
  const entry = entryOf(map), measure = strengthOf(map), { table } = map, levels = map.kind === "levels";
  const grey = (level) => (255 << 24) | (level << 16) | (level << 8) | level;
  const plain = [grey(greys.gyrus), grey(greys.sulcus)], bare = [greys.gyrus, greys.sulcus];
  const untested = grey(greys.untested);
  for (let pixel = 0; pixel < triangle.length; pixel++) {
    const t = triangle[pixel];
    if (t < 0) {
      out[pixel] = 0;
      continue;
    }
    const a = triangles[t], b = triangles[t + 1], c = triangles[t + 2];
    let u = first[pixel] * tested[a], v = second[pixel] * tested[b], w = (1 - first[pixel] - second[pixel]) * tested[c];
    const total = u + v + w;
    if (total <= 0.5) {
      out[pixel] = untested;
      continue;
    }
    u /= total;
    v /= total;
    w /= total;
    const below = sulcus[pixel];
    let opaque = u * alpha[a] + v * alpha[b] + w * alpha[c];
    if (!soft) opaque = opaque > 0.5 ? 1 : 0;
    const nearest = u >= v ? (u >= w ? a : c) : v >= w ? b : c;
    const value = levels ? one[nearest] : u * one[a] + v * one[b] + w * one[c];
    const rival = other ? u * other[a] + v * other[b] + w * other[c] : 0;
    let strong = levels ? Infinity : measure(value, other ? rival : value);
    if (strength) strong = u * strength[a] + v * strength[b] + w * strength[c];
    if (levels && alpha[nearest] === 0) opaque = 0;
    if (opaque === 0 || (threshold > 0 && strong < threshold)) {
      out[pixel] = plain[below];
      continue;
    }
    const at = 4 * entry(value, rival);
    opaque *= table[at + 3] / 255;
    const under = bare[below] * (1 - opaque) + 0.5;
    out[pixel] =
      (255 << 24) |
      ((table[at + 2] * opaque + under) << 16) |
      ((table[at + 1] * opaque + under) << 8) |
      (table[at] * opaque + under);
  }
}

// How many targets are tested, significant, and above the threshold among those shown.
function count(map, subject, parts, threshold, level) {
  const measure = strengthOf(map), levels = map.kind === "levels";
  const found = { tested: 0, significant: 0, shown: 0 };
  for (let i = 0; i < parts.tested.length; i++) {
    if (!parts.tested[i]) continue;
    found.tested++;
    if (subject.q && subject.q[i] < level) found.significant++;
    const other = parts.other ? parts.other[i] : parts.one[i];
    const strong = parts.strength ? parts.strength[i] : levels ? Infinity : measure(parts.one[i], other);
    if (parts.alpha[i] > 0 && (threshold <= 0 || strong >= threshold)) found.shown++;
  }
  return found;
}
