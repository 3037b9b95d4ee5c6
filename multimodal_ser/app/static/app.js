// What the page does by itself: hands over files, records, follows microphone and camera live.
// The player is reports/templates/player.js.
window.serApp = (() => {
  "use strict";
  const IMAGES_PER_S = 5, WIDE_PX = 640, HISTORY = 120;
  // So far behind, images are left out; so much sound that nobody takes ends the view.
  const BEHIND_S = 1.5, BEHIND_BYTES = 200_000, LOST_BYTES = 4_000_000;
  const id = (name) => document.getElementById(name);
  const say = (text) => { id("said").textContent = text; };
  const address = (path) => `${path}/${id("give").dataset.key}`;
  const mb = (bytes) => (bytes / 2 ** 20).toFixed(1);

  // Files: one after another, so that the first is read while the next comes.
  let queue = Promise.resolve();
  function give(files) {
    for (const file of files) queue = queue.then(() => upload(file)).catch((error) => say(error.message));
  }

  function upload(file) {
    if (file.size > Number(id("give").dataset.most)) {
      throw new Error(`${file.name}: ${mb(file.size)} MB is more than a page takes; cut it into parts`);
    }
    return new Promise((done, failed) => {
      const request = new XMLHttpRequest();
      request.open("POST", `${address("/upload")}?name=${encodeURIComponent(file.name)}`);
      request.upload.onprogress = (event) => say(`${file.name}: ${mb(event.loaded)} of ${mb(event.total)} MB`);
      request.onload = () => {
        if (request.status >= 300) failed(new Error(request.responseText));
        else { say(""); done(); }
      };
      request.onerror = () => failed(new Error(`${file.name}: the server does not answer; is it still running?`));
      request.send(file);
    });
  }

  async function devices() {
    const video = id("camera").checked && { width: { ideal: WIDE_PX }, facingMode: "user" };
    // What calls do to a voice (noise, gain, echo) is not what models have learnt from.
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    try {
      return await navigator.mediaDevices.getUserMedia({ audio, video });
    } catch (error) {
      throw new Error(`No microphone${video ? " and camera" : ""} can be used (${error.message}).`);
    }
  }
  const release = (stream) => stream.getTracks().forEach((track) => track.stop());

  // Record: what was recorded goes the way of a file.
  let recorder = null;
  async function record() {
    if (recorder) { recorder.stop(); return; }
    const stream = await devices(), parts = [], began = new Date();
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.onstop = () => {
      release(stream);
      const type = recorder.mimeType.split(";")[0], two = (number) => String(number).padStart(2, "0");
      recorder = null;
      id("record").textContent = "Record";
      const name = `recorded ${two(began.getHours())}-${two(began.getMinutes())}-${two(began.getSeconds())}`;
      give([new File(parts, `${name}.${type.split("/")[1]}`, { type })]);
    };
    recorder.start();
    id("record").textContent = "Stop recording";
    const tick = () => {
      if (!recorder) return;
      say(`recording: ${Math.round((Date.now() - began) / 1000)} s`);
      setTimeout(tick, 500);
    };
    tick();
  }

  // Live: sound as samples, images as JPEG, over a socket; rows come back.
  let live = null;
  async function watch() {
    if (live) { live.stop(); return; }
    const stream = await devices(), camera = stream.getVideoTracks().length > 0;
    const sound = new AudioContext();
    const socket = new WebSocket(
      `${location.origin.replace("http", "ws")}${address("/live")}?modalities=audio${camera ? ",video" : ""}`);
    socket.binaryType = "arraybuffer";
    let samples = 0, timer = 0, left = 0;
    const delays = [];
    const send = (kind, number, content) => {
      const message = new Uint8Array(16 + content.byteLength), view = new DataView(message.buffer);
      view.setUint8(0, kind.charCodeAt(0));
      view.setFloat64(8, number, true);
      message.set(new Uint8Array(content), 16);
      if (socket.readyState === WebSocket.OPEN) socket.send(message);
    };
    const clock = () => samples / sound.sampleRate;

    async function begin() {
      await sound.audioWorklet.addModule("/static/microphone.js");
      const worklet = new AudioWorkletNode(sound, "microphone", { numberOfOutputs: 0, channelCount: 1 });
      worklet.port.onmessage = ({ data }) => {
        samples += data.length;
        if (socket.bufferedAmount > LOST_BYTES) { stop("This machine is too slow to follow."); return; }
        send("s", sound.sampleRate, data.buffer);
      };
      sound.createMediaStreamSource(stream).connect(worklet);
      await sound.resume();
      if (camera) timer = setInterval(image, 1000 / IMAGES_PER_S);
    }

    function image() {
      const video = document.querySelector("#live video"), time = clock();
      const late = delays.length && delays[delays.length - 1] > BEHIND_S;
      if (!video.videoWidth || socket.bufferedAmount > BEHIND_BYTES || (late && ++left % 5)) return;
      const canvas = document.createElement("canvas");
      canvas.width = Math.min(WIDE_PX, video.videoWidth);
      canvas.height = Math.round(canvas.width * video.videoHeight / video.videoWidth);
      canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
      canvas.toBlob(async (blob) => blob && send("i", time, await blob.arrayBuffer()), "image/jpeg", 0.85);
    }

    function stop(why = "") {
      live = null;
      clearInterval(timer);
      release(stream);
      sound.close().catch(() => {});
      socket.close();
      document.querySelector("#live video").hidden = true;
      id("watch").textContent = "Watch live";
      say(why);
    }

    socket.onmessage = ({ data }) => {
      const told = JSON.parse(data);
      if (told.listening) { say(""); begin().catch((error) => stop(error.message)); }
      else if (told.rows) { delays.push(clock() - told.rows[0].end_s); draw(told.rows, delays); }
      else if (told.end && live) stop(told.error);
    };
    socket.onclose = () => live && stop("The live view has ended.");
    live = { stop };
    id("live").hidden = false;
    for (const name of ["now", "history", "delay"]) document.querySelector(`#live .${name}`).replaceChildren();
    document.querySelector("#live video").srcObject = stream;
    document.querySelector("#live video").hidden = !camera;
    document.querySelector("#live video").play().catch(() => {});
    id("watch").textContent = "Stop watching";
    say("The model is loaded; speak when the bars appear.");
  }

  const made = (tag, text = "", name = "") => Object.assign(document.createElement(tag), { textContent: text, className: name });
  const tone = (at) => `var(--l${at % 8})`;

  function draw(rows, delays) {
    const now = document.querySelector("#live .now"), history = document.querySelector("#live .history");
    const last = rows[rows.length - 1].end_s;
    now.replaceChildren(...rows.filter((row) => row.end_s === last).map((row) => {
      const box = made("div"), first = row.labels.reduce((a, b) => (b[1] > a[1] ? b : a));
      box.append(made("h3", `${row.modality}: ${first[0]} ${Math.round(100 * first[1])} %`));
      row.labels.forEach(([label, share], at) => {
        const bar = made("div", "", "meter"), fill = made("i");
        fill.style.cssText = `width:${100 * share}%;background:${tone(at)}`;
        bar.append(made("span", label), fill);
        box.append(bar);
      });
      if (row.note) box.append(made("p", row.note, "reading"));
      return box;
    }));
    const column = made("div");
    rows[rows.length - 1].labels.forEach(([, share], at) => {
      const part = made("i");
      part.style.cssText = `height:${100 * share}%;background:${tone(at)}`;
      column.append(part);
    });
    history.append(column);
    while (history.children.length > HISTORY) history.firstChild.remove();
    const sorted = delays.slice(-20).sort((a, b) => a - b), middle = sorted[sorted.length >> 1];
    document.querySelector("#live .delay").textContent =
      `An answer each second, of 3 s; it comes ${middle.toFixed(1)} s after they are over.`;
  }

  // A player that is put in the place of another goes on where that was.
  function keep(kept) {
    const place = document.querySelector(".view");
    const saved = kept ? [...place.querySelectorAll("video, audio")].map((one) => [one.currentTime, !one.paused]) : [];
    if (!saved.some(([time]) => time > 0)) return;
    const watcher = new MutationObserver(() => {
      const media = [...place.querySelectorAll("video, audio")];
      if (media.length !== saved.length || media.some((one) => one.dataset.kept)) return;
      watcher.disconnect();
      media.forEach((one, at) => {
        one.dataset.kept = "yes";
        one.addEventListener("loadedmetadata", () => {
          one.currentTime = saved[at][0];
          if (saved[at][1]) one.play().catch(() => {});
        }, { once: true });
      });
    });
    watcher.observe(place, { childList: true, subtree: true });
    setTimeout(() => watcher.disconnect(), 10_000);
  }

  function start() {
    if (!id("give")) { setTimeout(start, 50); return; } // NiceGUI has not put it there yet
    const told = (task) => () => task().catch((error) => say(error.message));
    id("record").addEventListener("click", told(record));
    id("watch").addEventListener("click", told(watch));
    id("files").addEventListener("change", (event) => { give([...event.target.files]); event.target.value = ""; });
    for (const kind of ["dragover", "drop"]) {
      addEventListener(kind, (event) => {
        event.preventDefault();
        document.body.classList.toggle("over", kind === "dragover");
        if (kind === "drop") give([...event.dataTransfer.files]);
      });
    }
    addEventListener("dragleave", () => document.body.classList.remove("over"));
  }
  start();
  return { keep, give };
})();
