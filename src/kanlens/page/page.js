"use strict";
(() => {
  const data = JSON.parse(document.getElementById("payload").textContent);
  const edges = data.edges;
  const order = edges.map((_, k) => k).sort((a, b) => edges[b].score - edges[a].score || a - b);
  const rank = new Map(order.map((k, place) => [k, place]));
  const state = { pinned: order[0], seen: null, view: 0, level: 0, output: 0, candidate: new Map() };
  const byId = (id) => document.getElementById(id);

  // --- elements ------------------------------------------------------------------------

  const SPACE = "http://www.w3.org/2000/svg";
  function fill(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
    }
    for (const child of children.flat()) node.append(child);
    return node;
  }
  const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SPACE, tag), attributes, children);
  const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
  // MathML comes from the program that wrote this page, which escapes every name in it
  const math = (text) => document.createRange().createContextualFragment(text);

  const spoken = (runs) => runs.map(([text, shift]) => (shift < 0 ? "_" : shift > 0 ? "^" : "") + text).join("");
  const letters = (runs) => runs.map(([text, shift, slanted]) =>
    el(shift < 0 ? "sub" : shift > 0 ? "sup" : slanted ? "i" : "span", {}, text));
  function tspans(runs, size) {
    let moved = 0;
    return runs.map(([text, shift, slanted]) => {
      const dy = (shift > 0 ? -0.35 : shift < 0 ? 0.25 : 0) * size - moved;
      moved += dy;
      return svg("tspan", { dy: dy || null, class: slanted ? "slanted" : null, "font-size": shift ? 0.72 * size : size }, text);
    });
  }
  const width = (runs, size) => size * runs.reduce((sum, [text, shift]) => sum + 0.58 * text.length * (shift ? 0.72 : 1), 0);
  const many = (count, which = "") => `${count} ${which}edge${count === 1 ? "" : "s"}`;
  const plain = (value) => {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
      const [mantissa, exponent] = value.toExponential(2).split("e");
      return `${Number(mantissa)}e${Number(exponent)}`.replace(/-/g, "−");
    }
    return String(Number(value.toPrecision(4))).replace(/-/g, "−");
  };
  const score = (r2) => {
    if (r2 === null || r2 === undefined) return "–";
    if (r2 > 0.9999995) return "1.000000";
    const digits = r2 > 0.99 ? Math.min(6, 1 - Math.floor(Math.log10(1 - r2))) : 3;
    return (r2 < -99 ? "< −99" : r2.toFixed(digits).replace("-", "−"));
  };

  // --- the diagram ---------------------------------------------------------------------

  const strongest = Math.max(...edges.map((edge) => edge.score), 1e-300);
  const strength = (edge) => 0.16 + 0.84 * Math.tanh(3 * edge.score / strongest) / Math.tanh(3);
  const bend = ([a, b], [c, d]) => `M${a},${b}C${a},${(b + d) / 2} ${c},${(b + d) / 2} ${c},${d}`;

  function pieces(heights, place) {
    let path = "", open = false;
    heights.forEach((value, k) => {
      if (value === null) { open = false; return; }
      const [x, y] = place(k / Math.max(1, heights.length - 1), value / 999);
      path += `${open ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`;
      open = true;
    });
    return path;
  }

  let groups = new Map();
  function drawDiagram() {
    const layout = data.layouts[state.view];
    groups = new Map();
    const wires = svg("g"), nodes = svg("g"), words = svg("g", { "aria-hidden": "true" });
    const shown = Object.keys(layout.frames).map(Number).sort((a, b) => edges[a].score - edges[b].score);
    for (const k of shown) groups.set(k, drawEdge(k, layout));
    // weak ones first, so that strong ones lie on top; the order of the document is that of the page's reader, too
    for (const k of shown) wires.append(groups.get(k));
    drawNodes(layout, nodes);
    drawNames(layout, words);
    const picture = svg("svg", { class: "net", role: "group", "aria-roledescription": "network diagram", "aria-describedby": "help",
      "aria-label": `Network of ${many(shown.length)}. Inputs: ${data.inputs.map(spoken).join(", ")}. Outputs: ${data.outputs.map(spoken).join(", ")}.` },
      wires, nodes, words);
    byId("diagram").replaceChildren(picture);
    const box = extent(layout, picture);
    picture.setAttribute("viewBox", box.map((value) => value.toFixed(1)).join(" "));
    picture.style.maxWidth = `${Math.round(1.35 * box[2])}px`;
    if (!groups.has(state.pinned)) state.pinned = order[0];
    showPruning();
    look(state.pinned);
  }

  function extent(layout, picture) {
    const points = layout.nodes.flat().filter(Boolean);
    const top = Math.max(...points.map((p) => p[1]));
    let box = { x: 0, y: -top - 30, width: layout.width, height: top + 60 };
    try { const real = picture.getBBox(); if (real.width) box = real; } catch { /* not laid out yet */ }
    return [box.x - 8, box.y - 8, box.width + 16, box.height + 16];
  }

  // so many lines between two layers would be one black surface
  const crowd = (layout) => Math.min(1, Math.max(0.12, 120 / Object.keys(layout.frames).length)).toFixed(2);

  function drawEdge(k, layout) {
    const edge = edges[k], [layer, out, from] = edge.edge;
    const [left, bottom, side, foot, head, top] = layout.frames[k];
    const middle = left + side / 2, start = layout.nodes[layer][from], end = layout.ends[layer][out];
    const path = bend([start[0], -start[1]], [middle, -foot]) + (head < top ? `M${middle},${-head}V${-top}` : "")
      + bend([middle, -top], [end[0], -end[1]]);
    const inside = (u, v) => [left + side * (0.1 + 0.8 * u), -bottom - side * (0.1 + 0.8 * v)];
    const thin = Math.min(1, Math.max(0.35, side / 40));
    const group = svg("g", { class: `edge${edge.symbol ? " symbol" : ""}`, role: "button", tabindex: "-1", "data-k": k, opacity: strength(edge).toFixed(3),
      "aria-label": describe(edge), onpointerenter: () => look(k), onpointerleave: () => look(state.pinned),
      onclick: () => pin(k), onfocus: () => pin(k), onkeydown: (event) => move(event, k) },
      svg("path", { class: "grip", d: path }),
      svg("path", { class: "wire", d: path, opacity: crowd(layout), "stroke-width": (1.3 * thin).toFixed(2) }),
      svg("rect", { class: "frame", x: left, y: -bottom - side, width: side, height: side, rx: 0.06 * side }),
      svg("path", { class: "curve", d: pieces(edge.curve, inside), "stroke-width": (2 * thin).toFixed(2) }));
    if (edge.symbol) {
      const size = 0.36 * side;
      group.append(svg("text", { class: "label", x: left + 1.08 * side, y: -bottom - 0.5 * side + 0.35 * size, "aria-hidden": "true" }, ...tspans(edge.symbol, size)));
    }
    return group;
  }

  const describe = (edge) => `Edge from ${spoken(edge.from)} to ${spoken(edge.to)}: ${edge.name || "spline"}, importance ${plain(edge.score)}, `
    + `inputs from ${edge.words[0]} to ${edge.words[1]}, values from ${edge.words[2]} to ${edge.words[3]}`;

  function drawNodes(layout, into) {
    const radius = layout.radius;
    const dot = ([x, y], sign) => {
      if (!sign) return [svg("circle", { class: "node", cx: x, cy: -y, r: 0.55 * radius })];
      const d = (sign === "+" ? 0.6 : 0.42) * radius;
      const stroke = sign === "+" ? `M${x - d},${-y}H${x + d}M${x},${-y - d}V${-y + d}` : `M${x - d},${-y - d}L${x + d},${-y + d}M${x - d},${-y + d}L${x + d},${-y - d}`;
      return [svg("circle", { class: "node sum", cx: x, cy: -y, r: radius }), svg("path", { class: "sign", d: stroke })];
    };
    for (const place of layout.nodes[0]) if (place) into.append(...dot(place, ""));
    data.products.forEach((groupsOf, level) => {
      let sub = 0;
      groupsOf.forEach((count, node) => {
        const place = layout.nodes[level + 1][node];
        for (let k = 0; k < count; k += 1, sub += 1) {
          const end = layout.ends[level][sub];
          if (!end) continue;
          const reached = edges.filter((edge) => edge.edge[0] === level && edge.edge[1] === sub).length;
          if (count > 1) into.prepend(svg("path", { class: "join", d: bend([end[0], -end[1]], [place[0], -place[1]]) }));
          into.append(...dot(end, reached > 1 ? "+" : ""));
        }
        if (count > 1 && place) into.append(...dot(place, "×"));
      });
    });
  }

  function drawNames(layout, into) {
    const hidden = data.layouts.length === 1 && layout.nodes.slice(1, -1);
    if (hidden) {
      hidden.forEach((level, depth) => level.forEach((place, node) => {
        if (!place) return;
        const runs = hidden.length > 1 ? [["h", 0, true], [`${depth + 1},${node + 1}`, -1, false]] : [["h", 0, true], [`${node + 1}`, -1, false]];
        into.append(svg("text", { class: "hidden", x: place[0] + layout.radius + 4, y: -place[1] - 3 }, ...tspans(runs, 11)));
      }));
    }
    for (const [level, names, sign] of [[0, data.inputs, 1], [layout.nodes.length - 1, data.outputs, -1]]) {
      const places = layout.nodes[level], present = places.filter(Boolean);
      const cell = layout.width / Math.max(1, present.length);
      const longest = Math.max(...names.filter((_, k) => places[k]).map((runs) => width(runs, 15)));
      let size = Math.min(15, 15 * 0.92 * cell / longest), slant = false;
      if (size < 10) { slant = true; size = Math.max(6.5, Math.min(13, cell / 1.25)); }
      names.forEach((runs, k) => {
        if (!places[k]) return;
        const x = places[k][0], y = -places[k][1] + sign * (layout.radius + (slant ? 5 : sign > 0 ? 4 + 0.85 * size : 6));
        const turn = slant ? { transform: `rotate(-45 ${x} ${y})`, "text-anchor": sign > 0 ? "end" : "start" } : { "text-anchor": "middle" };
        into.append(svg("text", { x, y, ...turn }, ...tspans(runs, size)));
      });
    }
  }

  function move(event, k) {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pin(k); return; }
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const frames = data.layouts[state.view].frames, [x, y, side] = frames[k];
    const centre = x + side / 2;
    let best = null, least = Infinity;
    for (const [other, [left, bottom, size]] of Object.entries(frames)) {
      if (Number(other) === k) continue;
      const across = left + size / 2 - centre, up = bottom - y;
      const ahead = step[0] ? step[0] * across : step[1] * up, aside = step[0] ? Math.abs(up) : Math.abs(across);
      if (ahead <= 0.5) continue;
      const far = ahead + (step[0] ? 20 : 0.2) * aside;
      if (far < least) { least = far; best = Number(other); }
    }
    if (best !== null) groups.get(best).focus();
  }

  // --- the chosen edge -----------------------------------------------------------------

  function pin(k) {
    state.pinned = k;
    look(k);
    byId("spoken").textContent = describe(edges[k]);
  }

  function look(k) {
    if (k === undefined) return;
    for (const [other, group] of groups) {
      group.classList.toggle("chosen", other === k);
      group.setAttribute("aria-pressed", other === state.pinned ? "true" : "false");
      group.setAttribute("tabindex", other === state.pinned ? "0" : "-1");
    }
    for (const term of document.querySelectorAll("#linked [data-edge]")) {
      term.classList.toggle("hot", term.getAttribute("data-edge") === edges[k].id);
    }
    if (state.seen === k) return;
    state.seen = k;
    inspect(k);
  }

  function inspect(k) {
    const edge = edges[k], chosen = state.candidate.get(k) ?? (edge.candidates.length ? 0 : null);
    const [low, high] = edge.x, [bottom, top] = edge.y;
    const at = (u, v) => [low + u * (high - low), bottom + v * (top - bottom)];
    const points = (heights) => heights.map((v, j) => (v === null ? null : at(j / Math.max(1, heights.length - 1), v / 999)));
    const across = data.data[`${edge.edge[0]}-${edge.edge[2]}`] || [];
    const layers = [
      { kind: "dots", style: "halo", points: edge.data.map((v, j) => (v === null || across[j] === null ? null : at(across[j] / 999, v / 999))) },
      { kind: "line", style: edge.symbol ? "symbol" : "", points: points(edge.curve) },
    ];
    if (chosen !== null) layers.push({ kind: "line", style: "fit", points: points(edge.candidates[chosen].curve) });
    const picture = chart({ wide: 360, high: 250, x: { name: edge.from, low, high }, y: { name: [["φ", 0, true]], low: bottom, high: top }, layers, label: describe(edge) });
    const facts = el("dl", { class: "facts" },
      el("dt", {}, "Importance"), el("dd", {}, el("span", { class: "meter" }, bar(edge.score / strongest)), `${plain(edge.score)} (${rank.get(k) + 1} of ${edges.length})`),
      el("dt", {}, "Inputs"), el("dd", {}, `${edge.words[0]} … ${edge.words[1]}`),
      el("dt", {}, "Values"), el("dd", {}, `${edge.words[2]} … ${edge.words[3]}`),
      el("dt", {}, "Function"), el("dd", {}, edge.symbol ? letters(edge.symbol) : "spline"));
    byId("edge").replaceChildren(
      el("div", { class: "ends" }, el("span", {}, ...letters(edge.from), " → ", ...letters(edge.to)), el("code", {}, `Edge(${edge.edge.join(", ")})`)),
      picture, facts, ...candidates(k, chosen));
  }

  function bar(share) {
    const filled = el("i");
    filled.style.width = `${Math.round(100 * share)}%`;
    return filled;
  }

  function candidates(k, chosen) {
    const found = edges[k].candidates;
    if (!found.length) return [];
    const rows = found.map((candidate, number) => el("tr", {},
      el("td", {}, el("label", {}, el("input", { type: "radio", name: "candidate", value: number, checked: number === chosen ? "" : null,
        onchange: () => { state.candidate.set(k, number); inspect(k); byId("edge").querySelector("input:checked").focus(); } }), candidate.name)),
      el("td", { class: "number" }, score(candidate.r2))));
    return [el("table", { class: "candidates" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Candidate"), el("th", { scope: "col", class: "number" }, "R²"))), el("tbody", {}, ...rows)),
      el("div", { class: "chosen-formula" }, math(found[chosen].formula))];
  }

  // --- charts --------------------------------------------------------------------------

  function ticks(low, high, count) {
    const span = high - low;
    if (!(span > 0)) return [low];
    const raw = span / count, power = 10 ** Math.floor(Math.log10(raw));
    const step = power * ([1, 2, 5, 10].find((m) => m * power >= raw * 0.999));
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * span; k += 1) found.push(Number((k * step).toPrecision(12)));
    return found;
  }

  function axis({ low, high, log, grounded, whole }, from, to, count) {
    if (!(high > low)) { const pad = Math.abs(low) * 0.1 || 1; low -= log ? 0 : pad; high = log ? low * 10 : high + pad; }
    if (!log) {
      const pad = 0.03 * (high - low), a = grounded ? low : low - pad, b = high + pad;
      return { place: (v) => from + (v - a) / (b - a) * (to - from), ticks: ticks(a, b, whole ? Math.min(count, b - a) : count) };
    }
    const a = Math.log10(low) - 0.05, b = Math.log10(high) + 0.05;
    return { place: (v) => from + (Math.log10(v) - a) / (b - a) * (to - from), ticks: powers(a, b, count) };
  }

  function powers(a, b, count) {
    const step = Math.max(1, Math.ceil((b - a) / count)), found = [];
    for (let p = Math.floor(a); p <= b; p += step) {
      for (const m of b - a < 1 ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : b - a < 2 ? [1, 2, 5] : [1]) {
        const at = p + Math.log10(m);
        if (at >= a && at <= b) found.push(Number((m * 10 ** p).toPrecision(6)));
      }
    }
    while (found.length > count + 2) found.splice(0, found.length, ...found.filter((_, k) => k % 2 === 0));
    return found;
  }

  function power(value) {
    const p = Math.log10(value);
    return Number.isInteger(Math.round(p * 1e9) / 1e9) && Math.abs(p) > 2.5 ? [["10", 0, false], [String(Math.round(p)).replace("-", "−"), 1, false]] : [[plain(value), 0, false]];
  }

  let clips = 0;
  function chart({ wide, high, x, y, layers, label }) {
    const left = 48, right = wide - 10, top = 24, bottom = high - 38;
    const clip = `clip${clips += 1}`;
    const across = axis(x, left, right, Math.max(3, Math.round((right - left) / 50)));
    const up = axis(y, bottom, top, Math.max(3, Math.round((bottom - top) / 45)));
    const parts = [];
    for (const value of across.ticks) {
      const at = across.place(value).toFixed(1);
      parts.push(svg("path", { class: "rule", d: `M${at},${top}V${bottom}` }), svg("text", { x: at, y: bottom + 15, "text-anchor": "middle" }, ...(x.log ? tspans(power(value), 11.5) : [plain(value)])));
    }
    for (const value of up.ticks) {
      const at = up.place(value).toFixed(1);
      parts.push(svg("path", { class: "rule", d: `M${left},${at}H${right}` }), svg("text", { x: left - 6, y: Number(at) + 4, "text-anchor": "end" }, ...(y.log ? tspans(power(value), 11.5) : [plain(value)])));
    }
    parts.push(svg("path", { class: "axis", d: `M${left},${bottom}H${right}` }));
    parts.push(svg("clipPath", { id: clip }, svg("rect", { x: left - 6, y: top - 6, width: right - left + 12, height: bottom - top + 12 })));
    parts.push(svg("g", { "clip-path": `url(#${clip})` }, ...layers.map((layer) => drawLayer(layer, across.place, up.place, bottom))));
    parts.push(svg("text", { class: "name", x: right, y: high - 7, "text-anchor": "end" }, ...tspans(x.name, 12.5)));
    parts.push(svg("text", { class: "name", x: 4, y: 13 }, ...tspans(y.name, 12.5)));
    const interactive = layers.some((layer) => layer.kind === "choices");
    return svg("svg", { class: "chart", viewBox: `0 0 ${wide} ${high}`, role: interactive ? "group" : "img", "aria-label": label }, ...parts);
  }

  function drawLayer(layer, across, up, ground) {
    const { kind, style = "", points } = layer;
    if (kind === "line") {
      let path = "", open = false;
      for (const point of points) {
        if (!point || point[0] === null || point[1] === null) { open = false; continue; }
        const [a, b] = [across(point[0]), up(point[1])];
        if (!Number.isFinite(a) || !Number.isFinite(b)) { open = false; continue; }
        path += `${open ? "L" : "M"}${a.toFixed(1)},${b.toFixed(1)}`;
        open = true;
      }
      return [svg("path", { class: `line ${style}`, d: path })];
    }
    if (kind === "dots") {
      const radius = style ? 5 : points.length > 250 ? 2 : 2.6;
      const path = points.filter(Boolean).map(([a, b]) => {
        const [u, v] = [across(a), up(b)];
        return Number.isFinite(u) && Number.isFinite(v) ? `M${(u - radius).toFixed(1)},${v.toFixed(1)}a${radius},${radius} 0 1 0 ${2 * radius},0a${radius},${radius} 0 1 0 ${-2 * radius},0` : "";
      });
      return path.map((d) => svg("path", { class: `dot ${style}`, d }));
    }
    if (kind === "band") {
      const line = (list) => list.map(([a, b]) => `${across(a).toFixed(1)},${up(b).toFixed(1)}`).join("L");
      return [svg("path", { class: "band", d: `M${line(layer.low)}L${line([...layer.high].reverse())}Z` })];
    }
    if (kind === "bars") {
      return points.filter(([, , count]) => count).map(([a, b, count]) => svg("rect", { class: "bar", x: across(a) + 0.5, width: Math.max(0.5, across(b) - across(a) - 1), y: up(count), height: ground - up(count) }));
    }
    return points.map(([a, b], k) => svg("g", { class: "choice", role: "radio", tabindex: layer.chosen === k ? "0" : "-1", "aria-checked": layer.chosen === k ? "true" : "false", "aria-label": layer.labels[k],
      onclick: () => layer.choose(k), onkeydown: (event) => layer.key(event, k) },
      svg("circle", { cx: across(a), cy: up(b), r: 14, fill: "transparent" }),
      svg("circle", { class: `mark${layer.chosen === k ? " pick" : ""}`, cx: across(a), cy: up(b), r: 5 })));
  }

  const range = (values) => {
    const finite = values.filter((value) => value !== null && Number.isFinite(value));
    return finite.length ? { low: Math.min(...finite), high: Math.max(...finite) } : { low: 0, high: 1 };
  };
  const text = (words) => [[words, 0, false]];

  // --- the cards below -----------------------------------------------------------------

  function card(title, id, ...children) {
    return el("section", { class: "card", "aria-labelledby": `title-${id}`, id }, el("div", { class: "row" }, el("h2", { id: `title-${id}` }, title)), ...children);
  }

  function outputs(count, redraw) {
    if (count < 2) return [];
    const options = data.outputs.slice(0, count).map((runs, k) => el("option", { value: k, selected: k === state.output ? "" : null }, spoken(runs)));
    return [el("select", { "aria-label": "Output", onchange: (event) => { state.output = Number(event.target.value); redraw(); } }, ...options)];
  }

  function drawCards() {
    byId("cards").replaceChildren(...[fitCard(), residualCard(), pruneCard(), historyCard(), frontCard(), effectCard()].filter(Boolean));
  }

  function fitCard() {
    const fit = (data.fit || [])[state.output];
    if (!fit) return null;
    const both = range([...fit.true, ...fit.predicted]);
    const made = card("Predicted and true", "fit",
      el("p", { class: "soft note" }, `R² ${score(fit.r2)}, root mean square error ${plain(fit.rmse)}`),
      chart({ wide: 300, high: 250, x: { name: text("true"), ...both }, y: { name: text("predicted"), ...both }, label: `Predicted against true values of ${spoken(fit.output)}`,
        layers: [{ kind: "line", style: "thin", points: [[both.low, both.low], [both.high, both.high]] }, { kind: "dots", points: fit.true.map((v, k) => (v === null || fit.predicted[k] === null ? null : [v, fit.predicted[k]])) }] }));
    made.firstChild.append(...outputs(data.fit.length, drawCards));
    return made;
  }

  function residualCard() {
    const fit = (data.fit || [])[state.output];
    if (!fit) return null;
    const errors = fit.residual.filter((v) => v !== null), { low, high } = range(errors);
    const size = Math.max(Math.abs(low), Math.abs(high)) || 1e-300, bins = 25, counts = new Array(bins).fill(0);
    for (const error of errors) counts[Math.min(bins - 1, Math.floor((error + size) / (2 * size) * bins))] += 1;
    const bars = counts.map((count, k) => [-size + 2 * size * k / bins, -size + 2 * size * (k + 1) / bins, count]);
    return card("Residuals", "residuals", el("p", { class: "soft note" }, `Predicted minus true, ${errors.length} of ${fit.rows} rows`),
      chart({ wide: 300, high: 250, x: { name: text("residual"), low: -size, high: size }, y: { name: text("rows"), low: 0, high: Math.max(...counts), grounded: true }, layers: [{ kind: "bars", points: bars }], label: `Residuals between ${plain(low)} and ${plain(high)}` }));
  }

  function pruneCard() {
    if (!data.pruning || edges.length < 2) return null;
    const output = Math.min(state.output, data.pruning[0].rmse.length - 1);
    const points = data.pruning.map((level) => [level.kept, level.rmse[output]]).filter(([, v]) => v > 0);
    if (points.length < 2) return null;
    const kept = data.pruning[state.level].kept, error = data.pruning[state.level].rmse[output];
    return card("What pruning costs", "cost", el("p", { class: "soft note" }, "Error with only the most important edges, nothing refitted"),
      chart({ wide: 300, high: 250, x: { name: text("edges left"), whole: true, low: 0, high: edges.length }, y: { name: text("root mean square error"), ...range(points.map((p) => p[1])), log: true },
        layers: [{ kind: "line", points }, { kind: "choices", points: error > 0 ? [[kept, error]] : [], chosen: 0, labels: [many(kept)], choose: () => byId("slider").focus(), key: () => {} }], label: "Root mean square error by the number of edges left" }));
  }

  function historyCard() {
    const history = data.history;
    if (!history || !history.loss.length) return null;
    const curve = (values) => values.map((v, k) => (v > 0 ? [k * history.step + 1, v] : null));
    const all = [...history.loss, ...history.validation].filter((v) => v > 0);
    if (!all.length) return null;
    const layers = [{ kind: "line", points: curve(history.loss) }];
    if (history.validation.length) layers.push({ kind: "line", style: "second", points: curve(history.validation) });
    return card("Training", "training", el("p", { class: "soft note" }, history.words),
      chart({ wide: 300, high: 235, x: { name: text("step"), whole: true, low: 1, high: Math.max(2, history.loss.length * history.step) }, y: { name: text("loss"), ...range(all), log: true }, layers, label: `Loss by step, from ${plain(history.loss[0])} to ${plain(history.loss[history.loss.length - 1])}` }),
      el("p", { class: "legend" }, el("span", {}, el("i"), "training"), ...(history.validation.length ? [el("span", {}, el("i", { class: "second" }), "validation")] : [])));
  }

  function frontCard() {
    const front = data.front;
    if (!front || !front.length) return null;
    const best = Math.max(0, front.findIndex((equation) => equation.best));
    const shown = el("div", { class: "chosen-formula" }), note = el("p", { class: "soft note", role: "status" }), host = el("div", {});
    const floor = Math.min(...front.map((e) => e.rmse).filter((v) => v > 0), 1e300);
    const choose = (k, focus) => {
      shown.replaceChildren(math(front[k].formula));
      note.textContent = `Complexity ${front[k].complexity}, root mean square error ${plain(front[k].rmse)}, R² ${score(front[k].r2)}, ${plain(front[k].bits)} bits`;
      const key = (event, at) => {
        const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
        if (step) { event.preventDefault(); choose(Math.max(0, Math.min(front.length - 1, at + step)), true); }
      };
      const points = front.map((e) => [e.complexity, e.rmse > 0 ? e.rmse : floor]);
      host.replaceChildren(chart({ wide: 560, high: 280, x: { name: text("complexity"), whole: true, ...range(points.map((p) => p[0])) }, y: { name: text("root mean square error"), ...range(points.map((p) => p[1])), log: true },
        layers: [{ kind: "line", points }, { kind: "choices", points, chosen: k, labels: front.map((e) => `${e.text}: complexity ${e.complexity}, error ${plain(e.rmse)}`), choose: (j) => choose(j, true), key }], label: "Formulas by complexity and error" }));
      if (focus) host.querySelectorAll(".choice")[k].focus();
    };
    choose(best, false);
    const rows = front.map((e) => el("tr", {}, el("td", {}, String(e.complexity)), el("td", {}, plain(e.rmse)), el("td", {}, score(e.r2)), el("td", {}, e.text)));
    const made = card("Formulas found", "front", el("p", { class: "soft note" }, "Each is the most accurate of its length. Choose one to read it."),
      el("div", { class: "pair" }, host, el("div", {}, shown, note)),
      el("details", { "aria-labelledby": "title-front" }, el("summary", {}, "As a table"), el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ...["complexity", "error", "R²", "formula"].map((word) => el("th", { scope: "col" }, word)))), el("tbody", {}, ...rows)))));
    made.classList.add("wide");
    return made;
  }

  function effectCard() {
    if (!data.effects || !data.effects.length) return null;
    const count = data.effects[0].mean.length, output = Math.min(state.output, count - 1);
    const all = range(data.effects.flatMap((e) => [...e.low[output], ...e.high[output]]));  // a mean that outliers carry off is cut
    const pictures = data.effects.map((effect) => {
      const zip = (values) => effect.at.map((a, k) => [a, values[k] ?? 0]);
      return chart({ wide: 240, high: 185, x: { name: effect.input, ...range(effect.at) }, y: { name: data.outputs[output], ...all },
        layers: [{ kind: "band", low: zip(effect.low[output]), high: zip(effect.high[output]) }, { kind: "line", points: zip(effect.mean[output]) }],
        label: `Mean of ${spoken(data.outputs[output])} while ${spoken(effect.input)} goes from ${plain(effect.at[0])} to ${plain(effect.at[effect.at.length - 1])}: from ${plain(effect.mean[output][0])} to ${plain(effect.mean[output][effect.at.length - 1])}` });
    });
    const made = card("Partial dependence", "effects", el("p", { class: "soft note" }, `The mean prediction while one input is set, and the middle 80 % of predictions${data.inputs.length > data.effects.length ? `; the ${data.effects.length} most important inputs` : ""}`), el("div", { class: "multiples" }, ...pictures));
    made.firstChild.append(...outputs(count, drawCards));
    made.classList.add("wide");
    return made;
  }

  // --- pruning -------------------------------------------------------------------------

  function showPruning() {
    if (!data.pruning || edges.length < 2) return;
    const level = data.pruning[state.level];
    for (const [k, group] of groups) group.classList.toggle("gone", rank.get(k) >= level.kept);
    const gone = new Set(order.slice(level.kept).map((k) => edges[k].id));
    for (const term of document.querySelectorAll("#linked [data-edge]")) term.classList.toggle("gone", gone.has(term.getAttribute("data-edge")));
    const output = Math.min(state.output, level.r2.length - 1);
    const words = level.kept === edges.length ? `All ${many(edges.length)}. R² ${score(level.r2[output])}`
      : `${level.kept} of ${many(edges.length)}, those of importance ${level.kept ? plain(level.least) : "above 1"} and more. R² ${score(level.r2[output])} with nothing refitted`;
    byId("pruned").textContent = words;
    byId("slider").setAttribute("aria-valuetext", words);
  }

  // --- the training --------------------------------------------------------------------

  let clock = null;
  function showMoment(number) {
    const last = data.film.length - 1, moment = data.film[number], layout = data.layouts[state.view];
    const scores = Object.values(moment.edges).map(([value]) => value ?? 0), most = Math.max(...scores, 1e-300);
    for (const [k, group] of groups) {
      const then = moment.edges[edges[k].id];
      if (!then) continue;
      const [left, bottom, side] = layout.frames[k];
      const inside = (u, v) => [left + side * (0.1 + 0.8 * u), -bottom - side * (0.1 + 0.8 * v)];
      const now = number === last;
      group.querySelector(".curve").setAttribute("d", pieces(now ? edges[k].curve : then[1], inside));
      group.setAttribute("opacity", (now ? strength(edges[k]) : strength({ score: (then[0] ?? 0) / most * strongest })).toFixed(3));
    }
    const words = number === last ? "As it is now" : `After step ${moment.step}, objective ${plain(moment.loss)}`;
    byId("moment").textContent = words;
    byId("step").value = number;
    byId("step").setAttribute("aria-valuetext", words);
  }

  function play(on) {
    clearInterval(clock);
    clock = null;
    byId("play").textContent = on ? "Stop" : "Play";
    byId("play").setAttribute("aria-pressed", on ? "true" : "false");
    if (!on) return;
    let number = Number(byId("step").value) >= data.film.length - 1 ? 0 : Number(byId("step").value);
    showMoment(number);
    clock = setInterval(() => {
      number += 1;
      showMoment(number);
      if (number === data.film.length - 1) play(false);
    }, 160);
  }

  // --- the page ------------------------------------------------------------------------

  function setTheme(dark) {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    byId("theme").textContent = dark ? "Light" : "Dark";
    byId("theme").setAttribute("aria-pressed", dark ? "true" : "false");
  }

  function download(name, type, content) {
    const address = URL.createObjectURL(new Blob([content], { type }));
    el("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  function pictureText() {
    const copy = byId("diagram").firstChild.cloneNode(true), colours = getComputedStyle(document.documentElement);
    const rules = [...document.styleSheets[0].cssRules].filter((rule) => rule.selectorText && rule.selectorText.includes(".net"));
    const style = rules.map((rule) => rule.cssText).join("\n").replace(/var\((--[a-z]+)\)/g, (_, name) => colours.getPropertyValue(name).trim());
    for (const part of copy.querySelectorAll("[tabindex], [role]")) for (const name of ["tabindex", "role", "aria-pressed"]) part.removeAttribute(name);
    for (const part of copy.querySelectorAll(".chosen")) part.classList.remove("chosen");
    for (const part of copy.querySelectorAll(".grip")) part.remove();
    copy.setAttribute("xmlns", SPACE);
    const [, , wide, high] = copy.getAttribute("viewBox").split(" ");
    copy.setAttribute("width", wide);
    copy.setAttribute("height", high);
    copy.prepend(svg("style", {}, style));
    return new XMLSerializer().serializeToString(copy);
  }

  function begin() {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    setTheme(dark.matches);
    dark.addEventListener("change", () => setTheme(dark.matches));
    byId("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme !== "dark"));
    byId("save-svg").addEventListener("click", () => download("diagram.svg", "image/svg+xml", pictureText()));
    byId("print").addEventListener("click", () => print());
    if (data.formula) {
      byId("save-formula").hidden = false;
      byId("save-formula").addEventListener("click", () => download("formula.txt", "text/plain", `${data.formula.text}\n\nLaTeX:\n${data.formula.latex}\n`));
    }
    byId("simple").hidden = byId("title-linked").hidden = !byId("simple").firstChild;
    document.querySelector(".formula").hidden = !byId("linked").firstChild;
    if (data.layouts && data.layouts.length > 1) {
      const few = Object.keys(data.layouts[0].frames).length, more = byId("more");
      const label = () => { more.textContent = state.view ? `Show the ${few} most important` : `Show ${many(edges.length - few, "more ")}`; };
      more.hidden = false;
      more.addEventListener("click", () => { state.view = 1 - state.view; label(); drawDiagram(); });
      label();
    }
    if (data.pruning && edges.length > 1) {
      data.pruning.reverse();  // the slider begins with all edges
      const slider = byId("slider");
      byId("prune").hidden = false;
      slider.max = data.pruning.length - 1;
      slider.addEventListener("input", () => { state.level = Number(slider.value); showPruning(); const card = pruneCard(); if (card && byId("cost")) byId("cost").replaceWith(card); });
    }
    if (data.film && data.film.length > 1 && edges.length) {
      byId("film").hidden = false;
      byId("step").max = data.film.length - 1;
      byId("step").addEventListener("input", () => { play(false); showMoment(Number(byId("step").value)); });
      byId("play").addEventListener("click", () => play(clock === null));
    }
    const linked = byId("linked"), termAt = (event) => event.target.closest("[data-edge]");
    const numbers = new Map(edges.map((edge, k) => [edge.id, k]));
    linked.addEventListener("pointerover", (event) => { const term = termAt(event); if (term) look(numbers.get(term.getAttribute("data-edge"))); });
    linked.addEventListener("pointerleave", () => look(state.pinned));
    linked.addEventListener("click", (event) => { const term = termAt(event); if (term) pin(numbers.get(term.getAttribute("data-edge"))); });
    if (edges.length) {
      drawDiagram();
      if (!byId("film").hidden) showMoment(data.film.length - 1);
    } else byId("diagram").textContent = byId("edge").textContent = "All edges are cut.";
    drawCards();
  }
  begin();
})();
