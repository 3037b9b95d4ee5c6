// Hands blocks of sound from the microphone to the page, an eighth of a second each.
class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.kept = new Float32Array(Math.round(sampleRate / 8));
    this.count = 0;
  }

  process([input]) {
    for (const value of input[0] || []) {
      this.kept[this.count++] = value;
      if (this.count === this.kept.length) {
        this.port.postMessage(this.kept.slice());
        this.count = 0;
      }
    }
    return true;
  }
}
registerProcessor("microphone", Microphone);
