"use strict";
const report = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const name = (text) => make("bdi", text);

// Colours: as the system has them, light, dark. A page from a file may have no storage.
const themes = ["auto", "light", "dark"];
const setTheme = (number) => {
  document.documentElement.dataset.theme = themes[number];
  byId("theme").textContent = `Colours: ${themes[number]}`;
  byId("theme").dataset.number = number;
};
byId("theme").addEventListener("click", () => setTheme((Number(byId("theme").dataset.number || 0) + 1) % themes.length));

// Thumbnails: a sheet becomes a picture when one of its thumbnails is first seen.
const album = report.album;
const cells = new Map(album.samples.map((sample, i) => [sample, [album.sheet[i], album.cell[i]]]));
const urls = [];
const sheetUrl = (number) => {
  if (!urls[number]) {
    const raw = atob(byId(`sheet-${number}`).textContent);
    const bytes = Uint8Array.from(raw, (c) => c.charCodeAt(0));
    urls[number] = URL.createObjectURL(new Blob([bytes], { type: "image/webp" }));
  }
  return urls[number];
};
const showThumbnail = (element, size) => {
  const cell = cells.get(Number(element.dataset.sample));
  if (!cell) {
    element.classList.add("none");
    element.textContent = "no image here";
    return;
  }
  const columns = album.columns[cell[0]];
  const side = size || element.clientWidth || parseFloat(getComputedStyle(element).width) || 72;
  element.style.backgroundImage = `url(${sheetUrl(cell[0])})`;
  element.style.backgroundSize = `${columns * side}px`;
  element.style.backgroundPosition = `${-(cell[1] % columns) * side}px ${-Math.floor(cell[1] / columns) * side}px`;
};
const thumbnail = (sample, label) => {
  const element = make("span", undefined, "t");
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", label);
  element.dataset.sample = sample;
  return element;
};
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    showThumbnail(entry.target);
  }
}, { rootMargin: "300px" });
all(".t[data-sample]").forEach((element) => seen.observe(element));
window.addEventListener("beforeprint", () => all(".t[data-sample]").forEach((element) => showThumbnail(element)));

// Sorting and filtering.
const compare = (a, b) => {
  const [x, y] = [Number(a), Number(b)];
  if (a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return a.localeCompare(b);
};
for (const table of all("table.sortable")) {
  const heads = all("thead th", table);
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const numeric = head.classList.contains("n");
    const before = head.getAttribute("aria-sort");
    const direction = before === "none" ? (numeric ? "descending" : "ascending") : before === "ascending" ? "descending" : "ascending";
    heads.forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", direction);
    const rows = all("tbody tr", table);
    const value = (row) => row.children[column].dataset.sort;
    rows.sort((a, b) => {
      if (value(a) === "" || value(b) === "") return (value(a) === "") - (value(b) === "");
      return (direction === "ascending" ? 1 : -1) * compare(value(a), value(b));
    });
    table.tBodies[0].append(...rows);
  }));
}
for (const input of all("input[data-filter]")) {
  const target = byId(input.dataset.filter);
  const status = document.querySelector(`[data-count="${input.dataset.filter}"]`);
  const told = status.textContent;
  input.addEventListener("input", () => {
    const items = target.tBodies ? Array.from(target.tBodies[0].rows) : Array.from(target.children);
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const item of items) {
      const text = item.textContent.toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
      shown += !item.hidden;
    }
    status.textContent = words.length ? `${shown} of ${items.length} shown` : told;
  });
}
for (const select of all("select[data-switch]")) {
  const group = select.dataset.switch;
  select.addEventListener("change", () => {
    for (const part of all(`[data-${group}]`)) part.hidden = part.dataset[group] !== select.value;
  });
}

// Lists as CSV (RFC 4180).
for (const button of all("button[data-csv]")) {
  button.addEventListener("click", () => {
    const rows = report.csv[button.dataset.csv];
    const quote = (value) => (/[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
    const text = rows.map((row) => row.map(quote).join(",") + "\r\n").join("");
    const link = make("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
    link.download = `${button.dataset.csv}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

// The images of a cell of the confusion matrix: the surest mistakes first, the unsurest right answers first.
const dialog = byId("images-dialog");
const PAGE = 60;
let waiting = [];
const showMore = () => {
  for (const [sample, probability, text] of waiting.splice(0, PAGE)) {
    const item = make("li");
    const id = report.ids[sample];
    item.append(thumbnail(sample, `${text}: ${id}`), make("p", `${(probability * 100).toFixed(1)} % sure`));
    const line = make("p", undefined, "id");
    line.append(name(id));
    item.append(line);
    byId("images-list").append(item);
    seen.observe(item.firstChild);
  }
  byId("images-more").hidden = waiting.length === 0;
};
for (const button of all(".confusion button")) {
  button.addEventListener("click", () => {
    const model = report.models[button.dataset.model];
    const [truth, predicted] = [Number(button.dataset.true), Number(button.dataset.predicted)];
    const isMember = (value, wanted) => (wanted < 0 ? !model.shown.includes(value) : value === wanted);
    const text = button.getAttribute("aria-label");
    waiting = [];
    model.samples.forEach((sample, i) => {
      if (isMember(model.y[i], truth) && isMember(model.predicted[i], predicted)) waiting.push([sample, model.probability[i], text]);
    });
    const sign = truth === predicted ? 1 : -1;
    waiting.sort((a, b) => sign * (a[1] - b[1]));
    waiting.sort((a, b) => cells.has(b[0]) - cells.has(a[0]));
    const missing = waiting.filter((entry) => !cells.has(entry[0])).length;
    byId("images-title").textContent = text;
    byId("images-status").textContent = (truth === predicted ? "The least sure first." : "The surest mistakes first.") +
      (missing ? ` ${missing.toLocaleString("en")} of ${waiting.length.toLocaleString("en")} images are not kept in this page and stand last.` : "");
    byId("images-list").replaceChildren();
    dialog.showModal();
    showMore();
  });
}
byId("images-more").addEventListener("click", showMore);
byId("images-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
