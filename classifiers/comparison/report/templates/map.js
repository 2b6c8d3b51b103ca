// The map: Bokeh draws the points; colours, search, legend and the card under the pointer are here.
if (report.map) {
  const map = report.map;
  const numbers = (text, Type) => {
    const raw = atob(text);
    return new Type(Uint8Array.from(raw, (c) => c.charCodeAt(0)).buffer);
  };
  const samples = numbers(map.samples, Int32Array);
  const labels = numbers(map.labels, Int32Array);
  const predicted = numbers(map.predicted, Int32Array);
  const probability = numbers(map.probability, Float32Array);
  const layouts = map.layouts.map(([x, y]) => [numbers(x, Float32Array), numbers(y, Float32Array)]);
  const names = report.class_names;
  const card = byId("map-card");
  const frame = byId("map-frame");
  const texts = [];
  let alone = null;
  let plot = null;

  // The palette holds colours for classes, then those for right, wrong and neither.
  const n_classes = map.palette.length - 3;
  const outcomes = ["right", "wrong", "not judged"];
  const keyOf = {
    label: (i) => labels[i],
    predicted: (i) => predicted[i],
    error: (i) => (predicted[i] < 0 || labels[i] < 0 ? 2 : predicted[i] === labels[i] ? 0 : 1),
  };
  const entries = (kind) => kind === "error" ? outcomes.map((text, i) => [i, text, n_classes + i])
    : [...names.map((text, i) => [i, text, i % n_classes]),
       [-1, kind === "label" ? "no label" : "not judged", n_classes + 2]];

  const draw = () => {
    const kind = byId("map-colour").value;
    const words = byId("map-search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const colours = new Map(entries(kind).map(([key, , colour]) => [key, colour]));
    const n = samples.length;
    const [colour, alpha, size] = [0, 0, 0].map(() => new Float32Array(n));
    const base = n > 20000 ? 4 : n > 4000 ? 5 : 7;
    let matches = 0;
    for (let i = 0; i < n; i++) {
      const key = keyOf[kind](i);
      let isShown = alone === null || key === alone;
      if (isShown && words.length) {
        texts[i] ||= `${report.ids[samples[i]]} ${names[labels[i]] || ""}`.toLowerCase();
        isShown = words.every((word) => texts[i].includes(word));
      }
      matches += isShown;
      colour[i] = colours.get(key);
      alpha[i] = isShown ? 0.8 : 0.05;
      size[i] = isShown && (words.length || (kind === "error" && key === 1)) ? base + 2 : base;
    }
    const layout = layouts[byId("map-layout") ? Number(byId("map-layout").value) : 0];
    Object.assign(plot.points.data, { x: layout[0], y: layout[1], colour, alpha, size });
    plot.points.change.emit();
    byId("map-status").textContent = words.length || alone !== null
      ? `${matches.toLocaleString("en")} of ${n.toLocaleString("en")} points` : "";
  };

  const legend = () => {
    const kind = byId("map-colour").value;
    const present = new Set(Array.from({ length: samples.length }, (_, i) => keyOf[kind](i)));
    alone = null;
    byId("map-legend").replaceChildren(...entries(kind).filter(([key]) => present.has(key)).map(([key, text, colour]) => {
      const item = make("li");
      const button = make("button", undefined, "b chip");
      const mark = make("i");
      mark.style.background = map.palette[colour];
      button.type = "button";
      button.setAttribute("aria-pressed", "false");
      button.append(mark, name(text));
      button.addEventListener("click", () => {
        alone = alone === key ? null : key;
        all("button", byId("map-legend")).forEach((other) => other.setAttribute("aria-pressed", String(other === button && alone !== null)));
        draw();
      });
      item.append(button);
      return item;
    }));
  };

  const line = (text, value, className) => {
    const row = make("p", text, className);
    if (value !== undefined) row.append(name(value));
    return row;
  };
  const hover = (i, x, y) => {
    card.hidden = i === undefined;
    if (i === undefined) return;
    if (card.dataset.point !== String(i)) {
      card.dataset.point = i;
      const id = report.ids[samples[i]];
      const parts = [thumbnail(samples[i], id)];
      if (labels[i] >= 0) parts.push(line("", names[labels[i]]));
      if (predicted[i] >= 0) {
        const sure = ` ${(probability[i] * 100).toFixed(1)} %`;
        parts.push(line("predicted ", names[predicted[i]] + sure, labels[i] < 0 ? "" : labels[i] === predicted[i] ? "right" : "wrong"));
      }
      parts.push(line("", id, "status"));
      card.replaceChildren(...parts);
      showThumbnail(parts[0], 96);
    }
    const left = x + 18 + card.offsetWidth > frame.clientWidth ? x - card.offsetWidth - 18 : x + 18;
    card.style.left = `${Math.max(0, left)}px`;
    card.style.top = `${Math.max(0, Math.min(y - 20, frame.clientHeight - card.offsetHeight))}px`;
  };
  window.featxMap = { hover };

  const zoom = (factor) => {
    for (const range of [plot.figure.x_range, plot.figure.y_range]) {
      const [middle, half] = [(range.start + range.end) / 2, ((range.end - range.start) / 2) * factor];
      range.setv({ start: middle - half, end: middle + half });
    }
  };
  const whole = () => {
    const layout = layouts[byId("map-layout") ? Number(byId("map-layout").value) : 0];
    [plot.figure.x_range, plot.figure.y_range].forEach((range, axis) => {
      let [low, high] = [Infinity, -Infinity];
      for (const value of layout[axis]) { low = Math.min(low, value); high = Math.max(high, value); }
      const room = (high - low) * 0.04 || 1;
      range.setv({ start: low - room, end: high + room });
    });
  };

  const begin = () => {
    const documents = window.Bokeh ? window.Bokeh.documents : [];
    const figure = documents.length ? documents[0].get_model_by_name("map") : null;
    if (!figure) { setTimeout(begin, 20); return; }
    plot = { figure, points: documents[0].get_model_by_name("points") };
    legend();
    whole();
    draw();
    byId("map-colour").addEventListener("change", () => { legend(); draw(); });
    if (byId("map-layout")) byId("map-layout").addEventListener("change", () => { draw(); whole(); });
    let timer = 0;
    byId("map-search").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(draw, 150); });
    byId("map-in").addEventListener("click", () => zoom(0.6));
    byId("map-out").addEventListener("click", () => zoom(1 / 0.6));
    byId("map-reset").addEventListener("click", whole);
    frame.addEventListener("mouseleave", () => hover(undefined));
    document.documentElement.dataset.map = "ready";
  };
  begin();
}
