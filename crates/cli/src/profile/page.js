// Draws a profile: peaks, the timeline stacked by process, marks, the table. Knows nothing but the data in the page.
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const MEASURES = ['pss', 'rss', 'vm', 'commit'];
const TITLES = { pss: 'PSS', rss: 'RSS', vm: 'address space (VMS)', commit: 'commit' };
const COLOURS = ['#4477aa', '#ee9944', '#228833', '#aa3377', '#66ccee', '#ccbb44', '#8866cc', '#cc6677', '#44aa99', '#997755'];
const WIDTH = 1060, HEIGHT = 380, LEFT = 70, RIGHT = 15, TOP = 15, BOTTOM = 50;
const SVG = 'http://www.w3.org/2000/svg';
const byId = (id) => document.getElementById(id);

function bytes(count) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (count >= 999.95 && unit < 4) { count /= 1000; unit += 1; }
  return count.toFixed(unit ? 1 : 0) + ' ' + units[unit];
}

function element(parent, name, attributes, text) {
  const made = parent.namespaceURI === SVG || name === 'svg' ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  parent.appendChild(made);
  return made;
}

function cells(table, values, kind) {
  const row = element(table, 'tr', {});
  for (const [text, style] of values) element(row, kind || 'td', { class: style || '' }, text);
}

function head() {
  const summary = data.summary;
  byId('title').textContent = summary.command.join(' ');
  const sampling = summary.sampling;
  let facts = summary.wall_s.toFixed(2) + ' s, ' + data.processes + ' processes, ' + summary.method;
  if (sampling) facts += '; ' + sampling.samples + ' samples, ' + sampling.real_hz.toFixed(1) + ' a second';
  if (sampling && sampling.cpu_share !== null) facts += ', ' + (100 * sampling.cpu_share).toFixed(1) + ' % of one processor';
  byId('facts').textContent = facts;
  cells(byId('peaks'), [['peak', 'number'], ['measure'], ['of'], ['found by']], 'th');
  for (const key in summary.measures) {
    if (summary.peaks[key] === null || (key === 'swap_bytes' && !summary.peaks[key])) continue;
    const m = summary.measures[key];
    cells(byId('peaks'), [[bytes(summary.peaks[key]), 'number'], [m.measure], [m.scope], [m.how, 'how']]);
  }
  if (summary.budget_bytes) cells(byId('peaks'), [[bytes(summary.budget_bytes), 'number'], ['budget'], [''], ['']]);
  for (const note of summary.notes) element(byId('notes'), 'li', {}, note);
}

// One layer for each process that is shown by itself, and one for all others together.
function layers(measure) {
  const count = data.names.length, column = MEASURES.indexOf(measure);
  const values = Array.from({ length: count + 1 }, () => new Float64Array(data.moments.length));
  data.moments.forEach((moment, at) => {
    let rest = moment[2][column];
    for (const part of moment[3]) { values[part[0]][at] = part[column + 1]; rest -= part[column + 1]; }
    values[count][at] = Math.max(0, rest);
  });
  const all = values.map((value, place) => ({
    value, peak: value.reduce((a, b) => Math.max(a, b), 0), name: place < count ? data.names[place] : 'all others',
    colour: place < count ? COLOURS[place % COLOURS.length] : '#888888',
  }));
  return all.filter((layer) => layer.peak > 0).sort((a, b) => b.peak - a.peak);
}

function scales(measure) {
  const column = MEASURES.indexOf(measure), moments = data.moments;
  const end = Math.max(data.summary.wall_s, 1e-3);
  let top = moments.reduce((most, moment) => Math.max(most, moment[2][column]), 1);
  const budget = data.summary.budget_bytes;
  if (budget && budget < 4 * top) top = Math.max(top, budget);
  top *= 1.05;
  return {
    top, end, x: (s) => LEFT + (WIDTH - LEFT - RIGHT) * s / end, y: (b) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - b / top),
  };
}

function axes(chart, scale) {
  for (let step = 0; step <= 4; step += 1) {
    const value = scale.top * step / 4, y = scale.y(value);
    element(chart, 'line', { x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y, stroke: 'var(--line)' });
    element(chart, 'text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, bytes(value));
    const time = scale.end * step / 4;
    element(chart, 'text', { x: scale.x(time), y: HEIGHT - 8, 'text-anchor': step < 4 ? 'middle' : 'end' }, time.toFixed(time < 10 ? 2 : 0) + ' s');
  }
}

function areas(chart, scale, stack) {
  const times = data.moments.map((moment) => scale.x(moment[0]));
  let below = new Float64Array(times.length);
  for (const layer of stack) {
    const above = below.map((value, at) => value + layer.value[at]);
    let path = '';
    times.forEach((x, at) => { path += (at ? 'L' : 'M') + x.toFixed(1) + ' ' + scale.y(above[at]).toFixed(1); });
    for (let at = times.length - 1; at >= 0; at -= 1) path += 'L' + times[at].toFixed(1) + ' ' + scale.y(below[at]).toFixed(1);
    element(chart, 'path', { d: path + 'Z', fill: layer.colour, stroke: layer.colour, 'stroke-width': 0.6 });
    below = above;
  }
}

function marks(chart, scale) {
  for (const [at, how, copied, name] of data.marks.slice().reverse()) {
    const x = scale.x(at), low = HEIGHT - BOTTOM + 2;
    const style = copied > 0 ? { stroke: '#d1495b', 'stroke-width': 2 } : { stroke: 'var(--faint)', 'stroke-width': 1, opacity: 0.5 };
    const mark = element(chart, 'line', { x1: x, x2: x, y1: low, y2: low + (copied > 0 ? 16 : how === 'exec' ? 6 : 10), ...style });
    element(mark, 'title', {}, at.toFixed(4) + ' s: ' + how + (copied ? ', ' + bytes(copied) + ' copied' : '') + '\n' + name);
  }
}

function budget(chart, scale) {
  const line = data.summary.budget_bytes;
  if (!line || line > scale.top) return;
  const y = scale.y(line);
  element(chart, 'line', { x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y, stroke: 'var(--warn)', 'stroke-dasharray': '6 4' });
  element(chart, 'text', { x: WIDTH - RIGHT, y: y - 4, 'text-anchor': 'end' }, 'budget ' + bytes(line));
}

function hover(chart, scale, stack, measure) {
  const tip = byId('tip'), column = MEASURES.indexOf(measure);
  chart.onmousemove = (event) => {
    const box = chart.getBoundingClientRect();
    const time = ((event.clientX - box.left) * WIDTH / box.width - LEFT) / (WIDTH - LEFT - RIGHT) * scale.end;
    let best = -1;
    data.moments.forEach((moment, at) => { if (best < 0 || Math.abs(moment[0] - time) < Math.abs(data.moments[best][0] - time)) best = at; });
    if (best < 0) return;
    const moment = data.moments[best];
    const lines = stack.filter((layer) => layer.value[best] > 0).slice(0, 8).map((layer) => bytes(layer.value[best]) + '  ' + layer.name);
    tip.textContent = moment[0].toFixed(3) + ' s: ' + bytes(moment[2][column]) + ' ' + TITLES[measure] + ', ' + moment[1] + ' processes\n' + lines.join('\n');
    tip.style.display = 'block';
    tip.style.left = Math.min(event.clientX + 14, Math.max(0, innerWidth - tip.offsetWidth - 8)) + 'px';
    tip.style.top = event.clientY + 14 + 'px';
  };
  chart.onmouseleave = () => { tip.style.display = 'none'; };
}

function draw(measure) {
  for (const button of byId('switch').children) button.setAttribute('aria-pressed', String(button.dataset.measure === measure));
  const chart = byId('chart'), legend = byId('legend');
  chart.replaceChildren();
  legend.replaceChildren();
  const scale = scales(measure), stack = layers(measure);
  axes(chart, scale);
  areas(chart, scale, stack);
  budget(chart, scale);
  marks(chart, scale);
  hover(chart, scale, stack, measure);
  for (const layer of stack.slice(0, 14)) {
    const item = element(legend, 'span', {});
    element(item, 'i', { style: 'background:' + layer.colour });
    item.append(layer.name + ' (' + bytes(layer.peak) + ')');
  }
}

function table() {
  byId('heading').textContent = data.rows.length < data.processes ? 'The ' + data.rows.length + ' largest of ' + data.processes + ' processes' : 'Processes';
  cells(byId('rows'), [['peak RSS', 'number'], ['address space', 'number'], ['copied at birth', 'number'], ['born'], ['pid'], ['parent'], ['from, to (s)'], ['command']], 'th');
  for (const [pid, ppid, command, start, end, how, copied, rss, vm] of data.rows) {
    const span = start.toFixed(3) + ' – ' + (end === null ? '…' : end.toFixed(3));
    cells(byId('rows'), [[bytes(rss), 'number'], [bytes(vm), 'number'], [copied ? bytes(copied) : '', 'number'], [how || 'unseen'],
      [String(pid)], [String(ppid)], [span], [command, 'command']]);
  }
}

head();
for (const measure of MEASURES) {
  const button = element(byId('switch'), 'button', { type: 'button', 'data-measure': measure }, TITLES[measure]);
  button.onclick = () => draw(measure);
}
draw('pss');
table();
