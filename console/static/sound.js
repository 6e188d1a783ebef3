// The sounds of the desk.  Bursts of pulses in the manner of IEC 60601-1-8:2006, 6.3.3.1, tables 3 and 4, which hospitals
// know: ten pulses = at once, three = soon, two or one = know of it.  Each is rendered once and looped by the browser's
// audio thread, so that no clock of a page in the background makes it stutter.

const HARMONICS = [1, 0.8, 0.65, 0.5, 0.4];  // table 4: four at least between 300 and 4000 Hz, within 15 dB
const RISE = 0.2;  // of a pulse; table 4: 10 to 40 %
const LOUDNESS = 0.5;

/** Pulses of this length, each a pause after the one before, then silence until `every`; all in seconds. */
const burst = (hertz, length, pauses, every) => ({ hertz, length, pauses, every });

/** Table 3: a pulse of high priority has 75 to 200 ms, the others 125 to 250 ms; the pauses x 50 to 125, y 125 to 250 ms. */
const TONES = {
  "life-safety": burst([784, 784, 784, 988, 988, 784, 784, 784, 988, 988], 0.14,
    [0, 0.09, 0.09, 0.32, 0.09, 0.5, 0.09, 0.09, 0.32, 0.09], 6),
  high: burst([523, 523, 523], 0.2, [0, 0.2, 0.2], 4.5),
  medium: burst([440, 440], 0.2, [0, 0.2], 16),
  low: burst([440], 0.2, [0], 30),
  lost: burst([330, 247], 0.6, [0, 0.05], 2.5),  // of ours: two long low tones that no alarm has
  test: burst([523, 659, 784], 0.16, [0, 0.04, 0.04], 0.8),
};

let context = null;
let gain = null;
let analyser = null;
let playing = null;  // { name, source }
let tell = () => {};

/** In the hand's own click, or the browser forbids it.  `changed` is called when it begins or ceases to sound. */
export async function start(changed) {
  tell = changed;
  if (!context) {
    context = new AudioContext();
    gain = new GainNode(context, { gain: LOUDNESS });
    analyser = new AnalyserNode(context, { fftSize: 2048 });
    gain.connect(analyser).connect(context.destination);
    context.addEventListener("statechange", () => tell());
    window.vorabSound = { analyser, playing: () => playing?.name ?? "" };
  }
  await context.resume();
}

/** What is heard in this browser: whether it lets us. */
export const isOn = () => context?.state === "running";

export function test() {
  begin("test", false);
}

/** From now on this tone and no other, again and again; "" = none. */
export function play(name) {
  if (!context || (playing?.name ?? "") === name) return;
  if (playing?.name === "test" && name === "") return;  // it ends by itself
  stop();
  if (name) begin(name, true);
}

export function end() {
  stop();
  context?.suspend();
}

function begin(name, loop) {
  stop();
  const source = new AudioBufferSourceNode(context, { buffer: rendered(TONES[name]), loop });
  source.connect(gain);
  source.addEventListener("ended", () => {
    if (playing?.source !== source) return;
    playing = null;
    tell();
  });
  source.start();
  playing = { name, source };
}

function stop() {
  const { source } = playing ?? {};
  playing = null;
  source?.stop();
}

function rendered({ hertz, length, pauses, every }) {
  const rate = context.sampleRate;
  const buffer = new AudioBuffer({ length: Math.round(every * rate), sampleRate: rate });
  const samples = buffer.getChannelData(0);
  let from = 0;
  hertz.forEach((pitch, number) => {
    from += pauses[number];
    pulse(samples, rate, Math.round(from * rate), Math.round(length * rate), pitch);
    from += length;
  });
  return buffer;
}

function pulse(samples, rate, from, length, pitch) {
  const full = HARMONICS.reduce((sum, one) => sum + one);
  for (let at = 0; at < length && from + at < samples.length; at += 1) {
    const phase = (2 * Math.PI * pitch * at) / rate;
    const tone = HARMONICS.reduce((sum, strength, order) => sum + strength * Math.sin(phase * (order + 1)), 0);
    samples[from + at] = (tone / full) * Math.min(1, at / length / RISE, (length - at) / length / RISE);
  }
}
