'use strict';
const test = JSON.parse(document.getElementById('test').textContent);
const at = (id) => document.getElementById(id);
const answers = [];
let order = [], place = 0, heard = new Set(), plays = 0, began = 0, sound = null, first = 'a';

/* The order follows from the test and the listener: it can be repeated, and differs between listeners. */
function randomOf(text) {
  let state = 2166136261;
  for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0), 16777619) >>> 0;
  return () => {
    state = (state + 0x6D2B79F5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function start(event) {
  event.preventDefault();
  const listener = at('listener').value.trim().replace(/\s+/g, ' ');
  if (!listener) return;
  const random = randomOf(`${test.page}/${listener}`);
  order = test.trials.map((trial) => ({trial, first: random() < 0.5 ? 'a' : 'b'}));
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  test.listener = listener;
  document.activeElement.blur(); // or keys would still be taken for the label
  at('begin').hidden = true;
  at('trial').hidden = false;
  next();
}

function next() {
  if (place === order.length) return finish();
  heard = new Set();
  plays = 0;
  began = performance.now();
  first = order[place].first;
  at('place').textContent = `${place + 1} of ${order.length}`;
  for (const button of document.querySelectorAll('[data-sound]')) button.classList.remove('heard', 'playing');
  for (const button of document.querySelectorAll('[data-choose]')) button.disabled = true;
  at('hint').hidden = false;
}

const alternative = (number) => (number === 'first' ? first : first === 'a' ? 'b' : 'a');

function play(which) {
  if (at('trial').hidden) return;
  stop();
  const trial = order[place].trial;
  const number = which === 'reference' ? trial.reference : trial[alternative(which)];
  sound = new Audio(test.sounds[number]);
  const button = document.querySelector(`[data-sound=${which}]`);
  const played = sound;
  button.classList.add('playing');
  sound.addEventListener('ended', () => button.classList.remove('playing'));
  sound.addEventListener('playing', () => {
    if (played !== sound) return;
    heard.add(which);
    plays += 1;
    button.classList.add('heard');
    if (heard.size < 3) return;
    for (const one of document.querySelectorAll('[data-choose]')) one.disabled = false;
    at('hint').hidden = true;
  }, {once: true});
  sound.play().catch((error) => { if (error.name !== 'AbortError') at('hint').textContent = String(error); });
}

function stop() {
  if (sound) sound.pause();
  sound = null;
  for (const button of document.querySelectorAll('.playing')) button.classList.remove('playing');
}

function choose(which) {
  if (at('trial').hidden || heard.size < 3) return;
  stop();
  const seconds = ((performance.now() - began) / 1000).toFixed(2);
  const trial = order[place].trial.trial;
  answers.push([test.page, test.listener, place + 1, trial, first, alternative(which), seconds, plays]);
  place += 1;
  next();
}

function finish() {
  const columns = ['page', 'listener', 'place', 'trial', 'first', 'chosen', 'seconds', 'plays'];
  const text = [columns, ...answers].map((row) => row.join('\t')).join('\n') + '\n';
  at('trial').hidden = true;
  at('end').hidden = false;
  at('answers').value = text;
  at('save').href = URL.createObjectURL(new Blob([text], {type: 'text/tab-separated-values'}));
  at('save').download = `answers_${test.listener.replace(/[^\p{L}\p{N}]+/gu, '-')}.tsv`;
  document.documentElement.dataset.done = 'true';
}

at('begin').addEventListener('submit', start);
for (const button of document.querySelectorAll('[data-sound]')) {
  button.addEventListener('click', () => play(button.dataset.sound));
}
for (const button of document.querySelectorAll('[data-choose]')) {
  button.addEventListener('click', () => choose(button.dataset.choose));
}
const KEYS = {r: 'reference', 1: 'first', 2: 'second'};
document.addEventListener('keydown', (event) => {
  if (event.repeat || event.target.matches('input, textarea')) return;
  if (KEYS[event.key.toLowerCase()]) play(KEYS[event.key.toLowerCase()]);
  if (event.key === 'ArrowLeft') choose('first');
  if (event.key === 'ArrowRight') choose('second');
});
addEventListener('beforeunload', (event) => {
  if (answers.length && !document.documentElement.dataset.done) event.preventDefault();
});
document.documentElement.dataset.ready = 'true';
