// Finds poses with the original @tensorflow-models/posenet and prints them as JSON, one result per picture:
//
//   node poses.js '{"model": "DIR/model-stride16.json", "stride": 16, "multiplier": 0.75, "resolution": 513,
//                   "max": 20, "score": 0.5, "nms": 20, "single": false, "flip": false}' PICTURE.png ...
//
// Called by scripts/make_golden.py, which decodes the photos, so that both sides see the same pixels.
'use strict';
const {readFileSync} = require('fs');
const {dirname, join} = require('path');
const {PNG} = require('pngjs');
const tf = require('@tensorflow/tfjs-core');
const {setWasmPaths} = require('@tensorflow/tfjs-backend-wasm');
const posenet = require('@tensorflow-models/posenet');
require('@tensorflow/tfjs-backend-cpu');
require('@tensorflow/tfjs-converter');

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

async function main(settings, pictures) {
  setWasmPaths(join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist/'));
  await tf.setBackend('wasm');
  const network = await posenet.load({
    architecture: 'MobileNetV1',
    outputStride: settings.stride,
    multiplier: settings.multiplier,
    inputResolution: settings.resolution,
    modelUrl: filesOf(settings.model),
  });
  const results = [];
  for (const picture of pictures) {
    const image = pixelsOf(picture);
    const poses = settings.single
      ? [await network.estimateSinglePose(image, {flipHorizontal: settings.flip})]
      : await network.estimateMultiplePoses(image, {
          flipHorizontal: settings.flip,
          maxDetections: settings.max,
          scoreThreshold: settings.score,
          nmsRadius: settings.nms,
        });
    results.push(poses);
    image.dispose();
  }
  process.stdout.write(JSON.stringify(results));
}

main(JSON.parse(process.argv[2]), process.argv.slice(3)).catch((error) => {
  console.error(error);
  process.exit(1);
});
