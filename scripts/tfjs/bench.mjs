// Times the original @tensorflow-models/posenet on Node's wasm backend, as a contestant of scripts/compare_peers.py:
//
//   node bench.mjs NODE_DIR    where NODE_DIR holds the node_modules of package.json
//
// One line of JSON on stdin asks, one on stdout answers; scripts/peers/child.py says what. While it waits, it sleeps.
import {createRequire} from 'node:module';
import {readFileSync, readdirSync, writeFileSync, writeSync} from 'node:fs';
import {dirname, join, resolve} from 'node:path';
import {createInterface} from 'node:readline';

const require = createRequire(join(resolve(process.argv[2]), 'package.json'));
const {PNG} = require('pngjs');
const tf = require('@tensorflow/tfjs-core');
const wasm = require('@tensorflow/tfjs-backend-wasm');
const posenet = require('@tensorflow-models/posenet');
require('@tensorflow/tfjs-backend-cpu');
require('@tensorflow/tfjs-converter');

const STRIDE = 16;
const PACKAGES = ['@tensorflow-models/posenet', '@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-wasm'];
console.log = console.error;  // stdout is for answers

// An io handler: what the converter asks for, from files instead of HTTP.
const filesOf = (modelPath) => ({
  async load() {
    const {weightsManifest, modelTopology, format, signature} = JSON.parse(readFileSync(modelPath, 'utf8'));
    const shards = weightsManifest.flatMap((group) => group.paths).map((path) => readFileSync(join(dirname(modelPath), path)));
    const weightData = Uint8Array.from(Buffer.concat(shards)).buffer;
    return {modelTopology, format, signature, weightData, weightSpecs: weightsManifest.flatMap((group) => group.weights)};
  },
});

const pixelsOf = (path) => {
  const {data, width, height} = PNG.sync.read(readFileSync(path));
  const rgb = Int32Array.from({length: width * height * 3}, (_, i) => data[4 * Math.floor(i / 3) + (i % 3)]);  // drop alpha
  return tf.tensor3d(rgb, [height, width, 3], 'int32');
};

let network, photos;

async function load(task) {
  wasm.setWasmPaths(join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist/'));
  await tf.setBackend('wasm');
  network = await posenet.load({
    architecture: 'MobileNetV1',
    outputStride: STRIDE,
    multiplier: Number(/(\d{3})[^/\\]*$/.exec(task.tfjs_model)[1]) / 100,  // such as mobilenet-075.json
    inputResolution: task.size,
    modelUrl: filesOf(task.tfjs_model),
  });
  photos = readdirSync(task.photos).sort().map((name) => pixelsOf(join(task.photos, name)));
  const versions = Object.fromEntries(PACKAGES.map((name) => [name, require(`${name}/package.json`).version]));
  return {versions: {node: process.version.slice(1), ...versions}, trials: Object.keys(trials)};
}

// Heatmaps after the sigmoid, offsets, forward, backward: tensors (h, w, channels).
const predict = (photo) => {
  const {heatmapScores, offsets, displacementFwd, displacementBwd} = network.baseModel.predict(photos[photo]);
  return [heatmapScores, offsets, displacementFwd, displacementBwd];
};

const trials = {
  // The network alone, normalisation of the integer pixels included.
  async network(photo) {
    const fields = predict(photo);
    await Promise.all(fields.map((field) => field.data()));
    tf.dispose(fields);
  },
  // What estimateMultiplePoses does, with its defaults, behind its resizing.
  async decode(photo) {
    const fields = predict(photo);
    const buffers = await Promise.all(fields.map((field) => field.buffer()));
    await posenet.decodeMultiplePoses(...buffers, STRIDE, 5, 0.5, 20);
    tf.dispose(fields);
  },
};

async function run({trial, photos: indices, warm}) {
  if (warm) await trials[trial](indices[0]);
  const ms = [];
  for (const photo of indices) {
    const start = performance.now();
    await trials[trial](photo);
    ms.push(performance.now() - start);
  }
  return {ms};
}

function writeFields({photo, file}) {
  const planes = tf.tidy(() => predict(photo).map((field) => tf.transpose(field, [2, 0, 1]).dataSync()));
  writeFileSync(file, Buffer.concat(planes.map((plane) => Buffer.from(Float32Array.from(plane).buffer))));
  return {};
}

const respond = {load: ({task}) => load(task), fields: writeFields, run};

for await (const line of createInterface({input: process.stdin})) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = await respond[request.do](request);
  } catch (error) {
    answer = {error: String(error.message ?? error).split('\n')[0]};
  }
  writeSync(1, `${JSON.stringify(answer)}\n`);
}
