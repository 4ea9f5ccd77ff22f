"use strict";
const size = (n) => {
  let unit = "B";
  for (const next of ["KiB", "MiB", "GiB", "TiB"]) {
    if (n < 1024) break;
    n /= 1024;
    unit = next;
  }
  return unit === "B" ? `${n} B` : `${n.toFixed(1)} ${unit}`;
};
// Squarified treemap: rows along the shorter side, each as square as the next part lets it be.
const layout = (parts, x, y, w, h) => {
  const placed = [];
  let left = parts.reduce((sum, part) => sum + part.s, 0);
  let rest = parts.slice();
  while (rest.length && left > 0 && w > 0 && h > 0) {
    const side = Math.min(w, h), scale = (w * h) / left;
    let row = [], sum = 0, worst = Infinity;
    for (const part of rest) {
      const next = sum + part.s, area = next * scale, thick = area / side;
      const sizes = row.concat(part).map((one) => (one.s * scale) / thick);
      const ratio = Math.max(...sizes.map((len) => Math.max(len / thick, thick / len)));
      if (row.length && ratio > worst) break;
      row.push(part);
      sum = next;
      worst = ratio;
    }
    const thick = (sum * scale) / side;
    let at = 0;
    for (const part of row) {
      const len = (part.s * scale) / thick;
      placed.push(w >= h ? [part, x, y + at, thick, len] : [part, x + at, y, len, thick]);
      at += len;
    }
    if (w >= h) { x += thick; w -= thick; } else { y += thick; h -= thick; }
    rest = rest.slice(row.length);
    left -= sum;
  }
  return placed;
};
const draw = (section) => {
  const root = JSON.parse(section.querySelector("script").textContent);
  const map = section.querySelector(".map"), crumbs = section.querySelector(".crumbs");
  let way = [root];
  const go = (to, focus) => {
    way = to;
    show();
    if (focus) (map.querySelector("button") || crumbs.querySelector("button:last-child")).focus();
  };
  const box = (part, parent, [x, y, w, h], all, depth) => {
    const opens = part.c && part.c.length;
    const inner = depth < 2 && opens && w > 46 && h > 34;
    const node = document.createElement(opens ? "button" : "span");
    node.className = "k" + part.k;
    const share = ((100 * part.s) / root.s).toFixed(1);
    node.title = `${part.n}\n${size(part.s)}, ${share} %`;
    if (w > 24 && h > 13) {
      const label = document.createElement("b");
      label.textContent = `${part.k === "f" ? part.n.split("/").pop() : part.n} ${size(part.s)}`;
      node.append(label);
    }
    if (opens) {
      node.setAttribute("aria-label", `${part.n}, ${size(part.s)}, ${share} percent: look into it`);
      node.addEventListener("click", () => go(way.concat(all), true));
    }
    Object.assign(node.style, { left: x + "px", top: y + "px", width: w + "px", height: h + "px" });
    parent.append(node);
    if (inner) {
      for (const [child, a, b, c, d] of layout(part.c, x + 2, y + 17, w - 4, h - 19)) {
        if (c > 3 && d > 3) box(child, parent, [a, b, c, d], all.concat(child), depth + 1);
      }
    }
  };
  const show = () => {
    const here = way[way.length - 1];
    map.replaceChildren();
    crumbs.replaceChildren();
    way.forEach((part, at) => {
      const button = document.createElement("button");
      button.textContent = `${part.n || "all files"} (${size(part.s)})`;
      if (at === way.length - 1) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => go(way.slice(0, at + 1), true));
      crumbs.append(button);
    });
    for (const [part, x, y, w, h] of layout(here.c || [], 0, 0, map.clientWidth, map.clientHeight)) {
      if (w > 2 && h > 2) box(part, map, [x, y, w, h], [part], 0);
    }
  };
  map.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && way.length > 1) go(way.slice(0, -1), true);
  });
  let wait;
  new ResizeObserver(() => { clearTimeout(wait); wait = setTimeout(show, 60); }).observe(map);
  show();
};
document.querySelectorAll("section.picture").forEach(draw);
document.querySelectorAll("table").forEach((table) => {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const isNumber = head.classList.contains("n");
      const down = head.getAttribute("aria-sort") === (isNumber ? null : "ascending") ||
        (isNumber && head.getAttribute("aria-sort") !== "descending");
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[at].dataset.v ?? row.cells[at].textContent;
      const compare = isNumber ? (a, b) => value(a) - value(b) : (a, b) => value(a).localeCompare(value(b));
      const rows = [...body.rows].sort(compare);
      body.append(...(down ? rows.reverse() : rows));
    });
  });
  if (body.rows.length > 20) {
    const find = document.createElement("input");
    find.type = "search";
    find.placeholder = "Filter";
    find.setAttribute("aria-label", `Filter: ${table.caption.textContent}`);
    find.addEventListener("input", () => {
      const wanted = find.value.toLowerCase();
      for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
    table.closest(".scroll").before(find);
  }
});
