// run_model.js - run a model in ONNX format on one input, plainly
//
// usage: node run_model.js MODULES MODEL TYPE SHAPE INPUT OUTPUT
//
// MODULES: the folder of npm's packages; TYPE: float32 or uint8; SHAPE: 1,3,416,416; INPUT: its
// numbers, as they lie in memory; OUTPUT: JSON, [{name, dims, data}, ...].
'use strict';
const fs = require('fs');
const path = require('path');

const [modules, model, type, shape, input, output] = process.argv.slice(2);
const ort = require(path.join(modules, 'onnxruntime-node'));

async function main() {
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1 });
  const bytes = fs.readFileSync(input);
  const memory = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const numbers = type === 'uint8' ? new Uint8Array(memory) : new Float32Array(memory);
  const tensor = new ort.Tensor(type, numbers, shape.split(',').map(Number));
  const found = await session.run({ [session.inputNames[0]]: tensor });
  const outputs = Object.entries(found).map(([name, value]) => (
    { name, dims: value.dims, data: Array.from(value.data) }));
  fs.writeFileSync(output, JSON.stringify(outputs));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
