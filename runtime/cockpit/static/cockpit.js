"use strict";
// Everything here is comfort: without it the page is read and decided upon by plain links and forms.
(() => {
  const root = document.querySelector("[data-cockpit]");
  if (!root) return;

  // -- live: a socket says which regions changed, htmx fetches them ---------------------------------------------------
  const REGIONS = ["status", "kpis", "approvals", "scheduled", "alerts", "chart", "campaigns", "refusals", "feed"];
  const dirty = new Set();
  let last = Number(root.dataset.last);
  let socket = null;
  let wait = 500;
  let timer = 0;
  let beat = 0;
  let fetching = false;
  let failed = false;

  const here = (name) => document.getElementById(`r-${name}`) !== null;

  async function refresh() {
    timer = 0;
    if (fetching || dirty.size === 0) return;
    const names = [...dirty].filter(here);
    dirty.clear();
    if (names.length === 0) return;
    fetching = true;
    failed = false;
    try {
      await htmx.ajax("GET", `${root.dataset.partials}?regions=${names.join(",")}`, { target: "#notice", swap: "none" });
    } finally {
      fetching = false;
      if (failed) names.forEach((name) => dirty.add(name));
      if (dirty.size > 0) schedule(failed ? 2000 : 15);
    }
  }

  function schedule(delay = 15) {
    if (!timer) timer = setTimeout(refresh, delay);
  }
  document.addEventListener("htmx:error", () => {
    failed = fetching;
  });

  function state(connected) {
    for (const chip of document.querySelectorAll("[data-live-state]")) chip.hidden = connected;
    document.documentElement.toggleAttribute("data-connected", connected);
  }

  function connect() {
    if (document.hidden || socket) return;
    const url = new URL(root.dataset.live, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("last", String(last));
    const mine = new WebSocket(url);
    socket = mine;
    mine.onmessage = (event) => {
      const news = JSON.parse(event.data);
      clearTimeout(beat);
      beat = setTimeout(() => mine.close(), 50000);
      if (news.kind === "hello") {
        wait = 500;
        state(true);
        if (news.all) {
          last = news.id;
          REGIONS.forEach((name) => dirty.add(name));
          schedule();
        }
      }
      if (news.regions) {
        last = Math.max(last, news.id);
        news.regions.forEach((name) => dirty.add(name));
        schedule();
      }
    };
    mine.onclose = (event) => {
      if (socket !== mine) return;
      socket = null;
      clearTimeout(beat);
      if (event.code === 4401) return location.reload();
      if (document.hidden) return;
      state(false);
      setTimeout(connect, wait * (0.75 + Math.random() / 2));
      wait = Math.min(wait * 2, 15000);
    };
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden && socket) {
      const leaving = socket;
      socket = null;
      clearTimeout(beat);
      leaving.close();
    } else if (!document.hidden) connect();
  });

  // -- focus: moves only when the focused card itself has gone -----------------------------------------------------------
  const cards = () => [...document.querySelectorAll("#r-approvals [data-card]")];
  let kept = null;

  document.addEventListener("htmx:before:swap", () => {
    const card = document.activeElement?.closest?.("[data-card]");
    kept = card ? { id: card.id, index: cards().indexOf(card) } : kept;
  });
  document.addEventListener("htmx:after:swap", () => {
    if (kept && !document.getElementById(kept.id)) {
      const left = cards();
      const next = left[Math.min(kept.index, left.length - 1)] ?? document.getElementById("h-approvals");
      if (kept.index >= 0) next?.focus();
      kept = null;
    }
    draw();
    scrollChat();
  });

  // -- keys: A and R act on the focused card only; all can be switched off ------------------------------------------------
  const toggle = document.querySelector("[data-keys-on]");
  const keysOn = () => localStorage.getItem("ceo-keys") !== "off";
  if (toggle) {
    toggle.checked = keysOn();
    toggle.addEventListener("change", () => localStorage.setItem("ceo-keys", toggle.checked ? "on" : "off"));
  }

  function move(step) {
    const all = cards();
    if (all.length === 0) return;
    const now = all.indexOf(document.activeElement?.closest("[data-card]"));
    const next = now < 0 ? (step > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, now + step));
    all[next].focus();
    all[next].scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
    if (event.key === "Escape" && typing) {
      const box = typing.closest("details.act");
      if (box) {
        box.open = false;
        box.closest("[data-card]")?.focus();
      } else typing.blur();
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !keysOn() || document.querySelector(":popover-open")) return;
    const card = document.activeElement?.closest("[data-card]");
    const key = event.key.toLowerCase();
    if (key === "j") move(1);
    else if (key === "k") move(-1);
    else if (key === "a" && card && !event.repeat) card.querySelector("[data-approve]")?.click();
    else if (key === "r" && card) {
      const box = card.querySelector("[data-reject]");
      if (!box) return;
      box.open = true;
      box.querySelector("[data-reason]").focus();
    } else if (key === "e" && card) {
      const box = card.querySelector("[data-edit]");
      if (!box) return;
      box.open = true;
      box.querySelector("input:not([type=hidden]), textarea").focus();
    } else if (key === "x" && card) card.querySelector("[data-pick]")?.click();
    else if (key === "/") document.getElementById("ask")?.focus();
    else if (key === "?") document.getElementById("keys")?.showPopover();
    else return;
    event.preventDefault();
  });

  // -- chat: an empty line after sending, the newest answer in sight --------------------------------------------------------
  function scrollChat() {
    const log = document.getElementById("chat-log");
    if (log) log.scrollTop = log.scrollHeight;
  }
  document.addEventListener("htmx:after:request", (event) => {
    const form = event.detail?.ctx?.sourceElement;
    if (form?.matches?.("[data-chat-form]") && event.detail.ctx.response?.raw?.ok !== false) form.reset();
  });

  // -- theme: the button offers the other of what is seen -------------------------------------------------------------------
  const themeField = document.querySelector("[data-theme-form] [name=theme]");
  if (themeField && !document.documentElement.dataset.theme) {
    themeField.value = matchMedia("(prefers-color-scheme: dark)").matches ? "light" : "dark";
  }

  // -- chart ------------------------------------------------------------------------------------------------------------------
  let plot = null;
  let drawn = "";

  function ink(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function draw(force) {
    const box = document.getElementById("plot");
    if (!box || typeof uPlot === "undefined") return;
    const raw = box.dataset.chart;
    if (!force && raw === drawn && plot && box.contains(plot.root)) return;
    drawn = raw;
    const data = JSON.parse(raw);
    const x = data.day.map((day) => Date.parse(`${day}T12:00:00Z`) / 1000);
    const font = '11px "Inter", sans-serif';
    const marks = data.marks.map((mark) => Date.parse(`${mark.day}T12:00:00Z`) / 1000);
    const number = new Intl.NumberFormat(data.lang, { maximumFractionDigits: 1 });
    const date = new Intl.DateTimeFormat(data.lang === "en" ? "en-GB" : data.lang, { day: "2-digit", month: "2-digit", timeZone: "UTC" });
    const axis = { stroke: ink("--quiet"), font, grid: { stroke: ink("--line"), width: 1 }, ticks: { show: false } };
    const spendMax = Math.max(1, ...data.spend.filter((value) => value !== null));
    const roasMax = Math.max(1, data.target, ...[...data.platform, ...data.high, ...data.real].filter((value) => value !== null));
    if (plot) plot.destroy();
    box.replaceChildren();
    plot = new uPlot(
      {
        width: box.clientWidth,
        height: 208,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        legend: { show: false },
        cursor: { y: false, points: { size: 6 } },
        padding: [8, 16, 0, 0],
        scales: { x: { time: true }, roas: { range: [0, Math.ceil(roasMax * 2.1) / 2] }, spend: { range: [0, spendMax * 3] } },
        axes: [
          { ...axis, grid: { show: false }, values: (_, ticks) => ticks.map((tick) => date.format(tick * 1000)), space: 52, size: 28 },
          { ...axis, scale: "roas", size: 34, values: (_, ticks) => ticks.map((tick) => number.format(tick)) },
        ],
        series: [
          {},
          { scale: "spend", stroke: "transparent", fill: ink("--spend"), paths: uPlot.paths.bars({ size: [0.6, 16] }), points: { show: false } },
          { scale: "roas", stroke: "transparent", points: { show: false } },
          { scale: "roas", stroke: "transparent", points: { show: false } },
          { scale: "roas", stroke: ink("--quiet"), width: 1.5, dash: [4, 4], points: { show: false } },
          { scale: "roas", stroke: ink("--main"), width: 2, points: { show: false } },
        ],
        bands: [{ series: [3, 2], fill: ink("--band") }],
        hooks: {
          draw: [
            (u) => {
              const c = u.ctx;
              const scale = devicePixelRatio;
              c.save();
              c.fillStyle = ink("--warn");
              c.strokeStyle = ink("--warn");
              c.lineWidth = scale;
              for (const at of new Set(marks)) {
                const left = u.valToPos(at, "x", true);
                if (left < u.bbox.left || left > u.bbox.left + u.bbox.width) continue;
                c.setLineDash([2 * scale, 3 * scale]);
                c.beginPath();
                c.moveTo(left, u.bbox.top + 8 * scale);
                c.lineTo(left, u.bbox.top + u.bbox.height);
                c.stroke();
                c.setLineDash([]);
                c.beginPath();
                c.moveTo(left, u.bbox.top);
                c.lineTo(left + 4 * scale, u.bbox.top + 4 * scale);
                c.lineTo(left, u.bbox.top + 8 * scale);
                c.lineTo(left - 4 * scale, u.bbox.top + 4 * scale);
                c.fill();
              }
              const y = u.valToPos(data.target, "roas", true);
              c.strokeStyle = ink("--good");
              c.setLineDash([6 * scale, 4 * scale]);
              c.beginPath();
              c.moveTo(u.bbox.left, y);
              c.lineTo(u.bbox.left + u.bbox.width, y);
              c.stroke();
              c.restore();
            },
          ],
        },
      },
      [x, data.spend, data.low, data.high, data.platform, data.real],
      box,
    );
  }

  new ResizeObserver(() => {
    const box = document.getElementById("plot");
    if (plot && box && box.clientWidth > 0 && plot.width !== box.clientWidth) plot.setSize({ width: box.clientWidth, height: 208 });
  }).observe(document.getElementById("main"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(true));

  draw();
  scrollChat();
  connect();
})();
