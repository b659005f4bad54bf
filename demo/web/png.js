// Pictures as PNG files that remember their seed, as gansample writes them: an iTXt chunk `gansample` with JSON.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

function chunk(kind, data) {
  const whole = new Uint8Array(12 + data.length);
  const view = new DataView(whole.buffer);
  view.setUint32(0, data.length);
  whole.set(new TextEncoder().encode(kind), 4);
  whole.set(data, 8);
  view.setUint32(8 + data.length, crc(whole.subarray(4, 8 + data.length)));
  return whole;
}

// One picture of a drawn batch as a canvas of its own size.
export function toCanvas(pixels, index, { height, width, channels }) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  const start = index * height * width * channels;
  for (let i = 0; i < height * width; i++) {
    const at = start + i * channels;
    const grey = channels < 3;
    image.data[4 * i] = pixels[at];
    image.data[4 * i + 1] = pixels[at + (grey ? 0 : 1)];
    image.data[4 * i + 2] = pixels[at + (grey ? 0 : 2)];
    image.data[4 * i + 3] = channels % 2 ? 255 : pixels[at + channels - 1];
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// The canvas as a PNG Blob with `metadata` after its header, which is 33 bytes long.
export async function toPng(canvas, metadata) {
  const plain = new Uint8Array(await (await new Promise((resolve) => canvas.toBlob(resolve, "image/png"))).arrayBuffer());
  const text = new TextEncoder().encode(`gansample\0\0\0\0\0${JSON.stringify(metadata)}`);
  return new Blob([plain.subarray(0, 33), chunk("iTXt", text), plain.subarray(33)], { type: "image/png" });
}
