// A page on a disk may not start a worker, by which the site is searched: there, a hidden frame does
// its work. https://developer.mozilla.org/docs/Web/API/Worker
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "Search";
      document.body.append(frame);
      this.inside = frame.contentWindow;
      this.ready = new Promise((done) => {
        const page = this.inside.document;
        page.open();
        page.write("<!doctype html><title>Search</title><body></body>");
        page.close();
        this.inside.postMessage = new Proxy(this.inside.postMessage, {
          apply: (_, __, [data]) => this.answer(data),
        });
        this.inside.importScripts = (...urls) =>
          urls.reduce((before, one) => before.then(() => load(page, one)), Promise.resolve());
        load(page, url).then(done);
      });
    }
    answer(data) {
      const event = new MessageEvent("message", { data });
      this.dispatchEvent(event);
      if (this.onmessage) this.onmessage(event);
    }
    postMessage(data) {
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })));
    }
    terminate() {
      this.inside.frameElement.remove();
    }
  };
  const load = (page, url) =>
    new Promise((done) => {
      const script = page.createElement("script");
      script.src = url;
      script.onload = done;
      page.body.append(script);
    });
}
