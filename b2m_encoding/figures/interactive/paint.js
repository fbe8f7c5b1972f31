// Colours of a map at every pixel, in one loop over the picture.

// Adjusted p that masks a map: of the models it is drawn from, else of the joint one.
function qOf(map, subject) {
  return map.masked ? subject.own[map.key] || subject.q : null;
}

// Opacity of every target: what is significant, all of it, or rising with significance.
function opacity(adjusted, tested, show, level) {
  if (!adjusted || show === "all") return tested.map((known) => known);
  const fade = Math.log(level);
  return Float32Array.from(adjusted, (q, i) => {
    if (!tested[i] || Number.isNaN(q)) return 0;
    if (q < level) return 1;
    return show === "fade" ? Math.max(0, Math.log(q) / fade) ** 2 : 0;
  });
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
  const alpha = opacity(qOf(map, subject), tested, show, level);
  if (map.kind === "levels") given[0].forEach((value, i) => { if (value < 0) alpha[i] = 0; });
  const strength = map.strength ? clean(subject.scores[map.strength]) : null;
  const one = clean(given[0]), other = given[1] ? clean(given[1]) : null;
  const undecided = map.undecided && subject.scores[map.undecided]; // both scores are drawn as the larger one
  if (undecided) undecided.forEach((value, i) => { if (value < -0.5) one[i] = other[i] = Math.max(one[i], other[i]); });
  return { one, other, tested, alpha, strength };
}

// Colours of a table over every grey of the underlay, as words of a picture.
function blended(table, greys) {
  const words = new Uint32Array((table.length / 4) * greys.levels.length);
  greys.levels.forEach((grey, below) => {
    for (let i = 0; i < table.length; i += 4) {
      const opaque = table[i + 3] / 255, under = grey * (1 - opaque) + 0.5;
      const [red, green, blue] = [0, 1, 2].map((channel) => table[i + channel] * opaque + under);
      words[(below * table.length + i) / 4] = (255 << 24) | (blue << 16) | (green << 8) | red;
    }
  });
  return words;
}

// A colour made fainter: mixed with a grey.
function mixed(word, grey, opaque) {
  const under = grey * (1 - opaque) + 0.5;
  const red = (word & 255) * opaque + under;
  const green = ((word >> 8) & 255) * opaque + under;
  const blue = ((word >> 16) & 255) * opaque + under;
  return (255 << 24) | (blue << 16) | (green << 8) | red;
}

function paint(image, raster, surface, map, parts, threshold, soft, greys) {
  const out = new Uint32Array(image.data.buffer);
  const { triangle, first, second, sulcus } = raster;
  const { triangles } = surface;
  const { one, other, tested, alpha, strength } = parts;
  const { words } = map;
  const pair = map.kind === "pair", levels = map.kind === "levels", signed = !levels && map.low < 0;
  // the same steps as in the printed figures
  const n = pair ? map.side : map.n, top = n - 1;
  const low = pair ? 0 : map.low, scale = levels ? 0 : top / (map.high - low);
  const across = pair ? top / (2 * map.difference) : 0, difference = pair ? map.difference : 0;
  const grey = (level) => ((255 << 24) | (level << 16) | (level << 8) | level) >>> 0;
  const bare = greys.levels, plain = bare.map(grey), untested = greys.pale.map(grey);
  for (let pixel = 0; pixel < triangle.length; pixel++) {
    const t = triangle[pixel];
    if (t < 0) {
      out[pixel] = 0;
      continue;
    }
    const a = triangles[t], b = triangles[t + 1], c = triangles[t + 2];
    let u = first[pixel], v = second[pixel], w = 1 - u - v;
    if (!(tested[a] && tested[b] && tested[c])) {
      u *= tested[a];
      v *= tested[b];
      w *= tested[c];
      const total = u + v + w;
      if (total <= 0.5) {
        out[pixel] = untested[sulcus[pixel]];
        continue;
      }
      u /= total;
      v /= total;
      w /= total;
    }
    const below = sulcus[pixel];
    const nearest = u >= v ? (u >= w ? a : c) : v >= w ? b : c;
    let opaque = levels ? alpha[nearest] : u * alpha[a] + v * alpha[b] + w * alpha[c];
    if (!soft) opaque = opaque > 0.5 ? 1 : 0;
    if (opaque === 0) {
      out[pixel] = plain[below];
      continue;
    }
    let value = levels ? one[nearest] : u * one[a] + v * one[b] + w * one[c];
    let shift = 0;
    if (pair) {
      const rival = u * other[a] + v * other[b] + w * other[c];
      shift = (rival - value + difference) * across + 0.5;
      shift = shift < 0 ? 0 : shift > top ? top : Math.trunc(shift);
      value = Math.max(value, rival);
    }
    if (threshold > 0 && (strength || !levels)) {
      const strong = strength ? u * strength[a] + v * strength[b] + w * strength[c] : signed ? Math.abs(value) : value;
      if (strong < threshold) {
        out[pixel] = plain[below];
        continue;
      }
    }
    let entry = levels ? value + 0.5 : (value - low) * scale + 0.5;
    entry = entry < 0 ? 0 : entry > top ? top : Math.trunc(entry);
    const word = words[below * map.n + (pair ? entry * n + shift : entry)];
    out[pixel] = opaque === 1 ? word : mixed(word, bare[below], opaque);
  }
}

// How many targets are tested, significant, and above the threshold among those shown.
function count(map, subject, parts, threshold, level) {
  const measure = strengthOf(map), levels = map.kind === "levels";
  const found = { tested: 0, significant: 0, shown: 0 }, adjusted = qOf(map, subject);
  for (let i = 0; i < parts.tested.length; i++) {
    if (!parts.tested[i]) continue;
    found.tested++;
    if (adjusted && adjusted[i] < level) found.significant++;
    const other = parts.other ? parts.other[i] : parts.one[i];
    const strong = parts.strength ? parts.strength[i] : levels ? Infinity : measure(parts.one[i], other);
    if (parts.alpha[i] > 0 && (threshold <= 0 || strong >= threshold)) found.shown++;
  }
  return found;
}
