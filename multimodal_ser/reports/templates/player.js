// One clip's player: media, lanes and boxes in step. A page includes this once; clips that are
// added to it later start by themselves. It needs no library and asks the network for nothing.
(() => {
  "use strict";
  // One per person in turn (Okabe and Ito, "Color Universal Design", 2008).
  const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7"];
  // Between two boxes of a face that are so many usual steps, or seconds, apart it was not seen.
  const APART_STEPS = 1.6, APART_S = [0.5, 2];
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  function clock(seconds) {
    const tenths = Math.round(seconds * 10), whole = Math.floor(tenths / 10);
    const two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    const rest = `${two(whole % 60)}.${tenths % 10}`;
    return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
  }

  /** Index of the last of ascending values that is not above one; -1 where all are. */
  function last(values, one) {
    let low = 0, high = values.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[middle] <= one) low = middle + 1; else high = middle;
    }
    return low - 1;
  }

  function apartOf(times) {
    const steps = times.slice(1).map((time, at) => time - times[at]).sort((a, b) => a - b);
    return clamp(APART_STEPS * (steps[steps.length >> 1] || 0), ...APART_S);
  }

  function attach(root) {
    if (root.dataset.attached) return;
    root.dataset.attached = "yes";
    const media = root.querySelector("video, audio"), canvas = root.querySelector("canvas");
    const boxes = JSON.parse(root.dataset.boxes || "{}");
    const times = Object.fromEntries(Object.entries(boxes).map(([who, rows]) => [who, rows.map((row) => row[0])]));
    const apart = Object.fromEntries(Object.entries(times).map(([who, at]) => [who, apartOf(at)]));
    let now = 0, frame = 0;

    const length = () => Number(root.dataset.length) || (media && media.duration) || 0;
    // Asked for anew each time: the app puts longer lanes in the place of these.
    const lanes = () => root.querySelectorAll(".lane");

    /** What a lane says at a time: [label, percent], or null in a gap. */
    function said(lane, time) {
      if (lane.saidFrom !== lane.dataset.said) {
        lane.saidFrom = lane.dataset.said;
        lane.said = JSON.parse(lane.dataset.said || "null");
      }
      const told = lane.said;
      if (!told) return null;
      const at = last(told.from, time);
      return at < 0 || time > told.to[at] ? null : [told.labels[told.label[at]], told.percent[at]];
    }

    function show(time) {
      now = time;
      const whole = length(), share = whole ? clamp(time / whole, 0, 1) : 0;
      root.style.setProperty("--at", share);
      for (const lane of lanes()) {
        const found = said(lane, time), text = found ? `${found[0]} ${found[1]} %` : "";
        const readout = lane.parentElement.querySelector(".said");
        if (readout && readout.textContent !== text) readout.textContent = text;
        lane.setAttribute("aria-valuemax", whole.toFixed(1));
        lane.setAttribute("aria-valuenow", clamp(time, 0, whole).toFixed(1));
        lane.setAttribute("aria-valuetext", text ? `${clock(time)}, ${text}` : clock(time));
      }
      const place = root.querySelector(".now");
      if (place) place.textContent = clock(time);
      draw(time);
    }

    /** Where a face is: between where it is before and after a time; null where it is not. */
    function boxAt(who, time) {
      const rows = boxes[who], at = last(times[who], time), before = rows[at], after = rows[at + 1];
      if (before && after && after[0] - before[0] <= apart[who]) {
        const share = (time - before[0]) / (after[0] - before[0]);
        return before.map((value, i) => value + share * (after[i] - value));
      }
      const near = [before, after].find((row) => row && Math.abs(row[0] - time) <= apart[who] / 2);
      return near || null;
    }

    function draw(time) {
      if (!canvas) return;
      const ratio = window.devicePixelRatio || 1;
      const wide = Math.round(canvas.clientWidth * ratio), high = Math.round(canvas.clientHeight * ratio);
      if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
      const pen = canvas.getContext("2d");
      pen.clearRect(0, 0, wide, high);
      pen.lineWidth = 2 * ratio;
      pen.font = `600 ${13 * ratio}px system-ui, sans-serif`;
      for (const who of Object.keys(boxes)) {
        const box = boxAt(who, time);
        if (!box) continue;
        const [x, y, w, h] = [box[1] * wide, box[2] * high, box[3] * wide, box[4] * high].map((v) => v / 1000);
        pen.strokeStyle = COLOURS[(Number(who) || 0) % COLOURS.length];
        pen.strokeRect(x, y, w, h);
        name(pen, who, x, y, ratio, time);
      }
    }

    function name(pen, who, x, y, ratio, time) {
      const lane = [...lanes()].find((one) => one.dataset.person === who);
      const found = lane && said(lane, time);
      const text = [who && `person ${who}`, found && found[0]].filter(Boolean).join(": ");
      if (!text) return;
      const high = 18 * ratio, wide = pen.measureText(text).width + 8 * ratio;
      const top = Math.max(0, y - high), left = clamp(x - ratio, 0, canvas.width - wide);
      pen.fillStyle = "#000c";
      pen.fillRect(left, top, wide, high);
      pen.fillStyle = "#fff";
      pen.fillText(text, left + 4 * ratio, top + 13.5 * ratio);
    }

    function seek(time) {
      const place = clamp(time, 0, length());
      if (media && media.readyState > 0) media.currentTime = place;
      else if (media) [wanted, media.preload] = [place, "auto"];
      show(place);
      root.dispatchEvent(new CustomEvent("moment", { bubbles: true, detail: place }));
    }
    let wanted = null; // a moment that was clicked before the media was there

    function run() {
      cancelAnimationFrame(frame);
      const step = () => {
        show(media.currentTime);
        if (!media.paused && !media.ended && root.isConnected) frame = requestAnimationFrame(step);
      };
      step();
    }

    function pressed(event) {
      const lane = event.target.closest(".lane");
      // A finger may be about to scroll the page: what counts is its click.
      if (!lane || event.button || (event.type !== "click" && event.pointerType !== "mouse")) return;
      const place = lane.getBoundingClientRect();
      const to = (one) => seek((one.clientX - place.left) / place.width * length());
      lane.focus({ preventScroll: true });
      to(event);
      if (event.type === "click") return;
      const stop = () => {
        removeEventListener("pointermove", to);
        for (const end of ["pointerup", "pointercancel"]) removeEventListener(end, stop);
      };
      addEventListener("pointermove", to);
      for (const end of ["pointerup", "pointercancel"]) addEventListener(end, stop);
      event.preventDefault();
    }

    function typed(event) {
      if (!event.target.closest(".lane") || event.ctrlKey || event.metaKey || event.altKey) return;
      const step = (length() <= 20 ? 0.2 : 1) * (event.shiftKey ? 5 : 1), far = length() / 10;
      const to = {
        ArrowRight: now + step, ArrowUp: now + step, ArrowLeft: now - step, ArrowDown: now - step,
        PageUp: now + far, PageDown: now - far, Home: 0, End: length(),
      }[event.key];
      if (to !== undefined) seek(to);
      else if ((event.key === " " || event.key === "Enter") && media) {
        if (media.paused) media.play().catch(() => {}); else media.pause();
      } else return;
      event.preventDefault();
    }

    function missing() {
      const other = root.dataset.other;
      root.dataset.other = "";
      if (other) media.src = other; // the recording may be in the folder of a page that was moved
      else root.classList.add("unplayable");
    }

    for (const kind of ["pointerdown", "click"]) root.addEventListener(kind, pressed);
    root.addEventListener("keydown", typed);
    if (media) {
      media.addEventListener("play", run);
      for (const kind of ["timeupdate", "seeked"]) media.addEventListener(kind, () => show(media.currentTime));
      media.addEventListener("loadedmetadata", () => {
        if (wanted !== null) media.currentTime = wanted;
        wanted = null;
        show(media.currentTime);
      });
      media.preload = "metadata"; // of what was folded nothing was loaded
      media.addEventListener("error", missing);
      if (media.error) missing();
    }
    if (canvas && window.ResizeObserver) new ResizeObserver(() => draw(now)).observe(canvas);
    show(media ? media.currentTime : 0);
  }

  /** Start what can be seen; what is folded starts when it is opened. */
  function every(root) {
    for (const one of root.querySelectorAll(".clip-player:not([data-waits], [data-attached])")) {
      const folded = one.closest("details:not([open])");
      if (!folded) { attach(one); continue; }
      one.dataset.waits = "yes";
      folded.addEventListener("toggle", () => attach(one), { once: true });
    }
  }

  window.multimodalSer = { attach: every };
  const start = () => {
    every(document);
    const added = (change) => [...change.addedNodes].some((node) => node.nodeType === Node.ELEMENT_NODE);
    new MutationObserver((changes) => { if (changes.some(added)) every(document); })
      .observe(document.body, { childList: true, subtree: true });
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start); else start();
})();
