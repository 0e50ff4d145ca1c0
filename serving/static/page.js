"use strict";
// The pages work without this. With it: what-ifs answer as a slider moves, a draft is copied, views
// are kept in this browser, and a list is walked with the keys that its help names.

function live(form) {
  const place = document.querySelector(form.dataset.live);
  let asked = 0;
  let wait = 0;
  const ask = async () => {
    const mine = ++asked;
    const query = new URLSearchParams(new FormData(form));
    query.set("only", form.dataset.only);
    place.setAttribute("aria-busy", "true");
    let told = null;
    try {
      const answer = await fetch(`${location.pathname}?${query}`, { credentials: "same-origin" });
      if (answer.ok) told = new DOMParser().parseFromString(await answer.text(), "text/html").body;
    } catch {
      // no connection: said below, and the button still asks
    }
    if (mine !== asked) return;
    place.removeAttribute("aria-busy");
    if (told) place.replaceChildren(...told.childNodes);
    else place.textContent = form.dataset.failed;
  };
  form.addEventListener("input", (event) => {
    const told = form.querySelector(`output[for="${event.target.id}"]`);
    if (told) told.textContent = event.target.value;
    clearTimeout(wait);
    wait = setTimeout(ask, 80);
  });
}

function copies(button) {
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent);
    button.textContent += " ✓";
  }, { once: true });
}

function savedViews(place) {
  const key = "puntuale.views";
  const read = () => {
    try {
      const kept = JSON.parse(localStorage.getItem(key) || "[]");
      return Array.isArray(kept) ? kept : [];
    } catch {
      return [];
    }
  };
  const write = (views) => { localStorage.setItem(key, JSON.stringify(views)); show(); };
  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "small plain";
    made.textContent = text;
    made.addEventListener("click", act);
    return made;
  };
  const show = () => {
    const views = read();
    const shown = views.flatMap((view) => {
      const link = document.createElement("a");
      link.textContent = view.name;
      link.href = `/?${view.query}`;
      const forget = button("×", () => write(read().filter((v) => v.name !== view.name)));
      forget.setAttribute("aria-label", `${place.dataset.forget}: ${view.name}`);
      return [link, forget];
    });
    const save = button(place.dataset.save, () => {
      const name = (prompt(place.dataset.name) || "").trim().slice(0, 40);
      const query = location.search.replace(/^\?/, "");
      if (name) write([...read().filter((v) => v.name !== name), { name, query }]);
    });
    place.replaceChildren(...shown, save);
  };
  show();
}

function keys(rows) {
  const help = document.querySelector(".keys");
  if (help) help.hidden = false;
  const at = () => rows.indexOf(document.activeElement?.closest(".worklist tbody tr"));
  const go = (to) => {
    const row = rows[Math.min(Math.max(to, 0), rows.length - 1)];
    row?.focus();
    row?.scrollIntoView({ block: "nearest" });
  };
  const inRow = (selector) => rows[at()]?.querySelector(selector);
  const does = {
    j: () => go(at() + 1),
    k: () => go(at() - 1),
    o: () => inRow("a")?.click(),
    d: () => inRow(".do button")?.focus(),
    m: () => {
      const more = inRow("details.more");
      if (!more) return;
      more.open = true;
      more.querySelector("input:not([type=hidden])")?.focus();
    },
    "/": () => document.querySelector("input[type=search]")?.focus(),
    "?": () => { if (help) help.open = !help.open; },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") rows[Math.max(at(), 0)]?.focus();
      return;
    }
    const isRow = rows.includes(event.target);
    const act = event.key === "Enter" && isRow ? does.o : does[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  });
}

document.querySelectorAll("form[data-live]").forEach(live);
document.querySelectorAll("[data-copy]").forEach(copies);
document.querySelectorAll("[data-save]").forEach(savedViews);
const rows = [...document.querySelectorAll(".worklist tbody tr[id]")];
if (rows.length || document.querySelector(".keys")) keys(rows);
