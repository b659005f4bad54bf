// The seed contract in JavaScript: z(seed) = numpy.random.RandomState(seed).standard_normal(size) as float32.
//
// Sources: Matsumoto and Nishimura 1998 (MT19937, init_genrand); NumPy's legacy Gaussian, which is Marsaglia's polar method with
// the second number kept for the next call. NumPy freezes this stream (NEP 19), so it can be reimplemented here.

const WORDS = 624;
const SHIFT = 397;

class MersenneTwister {
  constructor(seed) {
    this.words = new Uint32Array(WORDS);
    this.next = WORDS;
    this.words[0] = seed;
    for (let i = 1; i < WORDS; i++) {
      const before = this.words[i - 1] ^ (this.words[i - 1] >>> 30);
      this.words[i] = Math.imul(1812433253, before) + i;
    }
  }

  uint32() {
    if (this.next === WORDS) this.twist();
    let y = this.words[this.next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  twist() {
    const words = this.words;
    for (let i = 0; i < WORDS; i++) {
      const y = (words[i] & 0x80000000) | (words[(i + 1) % WORDS] & 0x7fffffff);
      words[i] = words[(i + SHIFT) % WORDS] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.next = 0;
  }

  // In 0 (included) to 1 (excluded), with 53 bits.
  double() {
    return ((this.uint32() >>> 5) * 67108864 + (this.uint32() >>> 6)) / 9007199254740992;
  }
}

class RandomState {
  constructor(seed) {
    this.stream = new MersenneTwister(seed);
    this.spare = null;
  }

  gauss() {
    if (this.spare !== null) {
      const spare = this.spare;
      this.spare = null;
      return spare;
    }
    let x, y, square;
    do {
      x = 2 * this.stream.double() - 1;
      y = 2 * this.stream.double() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt((-2 * Math.log(square)) / square);
    this.spare = factor * x;
    return factor * y;
  }

  uniform() {
    return this.stream.double() * 2 - 1;
  }
}

export const SEED_END = 2 ** 32;
export const MIN_TRUNCATION = 0.01;

// The latent of one seed, Float32Array (size). Components beyond ±truncation are drawn again from the seed's own stream; 0 is off.
export function latent(seed, size, distribution = "normal", truncation = 0) {
  const state = new RandomState(seed);
  if (distribution === "uniform") return Float32Array.from({ length: size }, () => state.uniform());
  const z = Float64Array.from({ length: size }, () => state.gauss());
  if (truncation >= MIN_TRUNCATION) {
    for (;;) {
      const outside = [...z.keys()].filter((i) => Math.abs(z[i]) > truncation);
      if (!outside.length) break;
      for (const i of outside) z[i] = state.gauss();
    }
  }
  return Float32Array.from(z);
}

// From a (t = 0) to b (t = 1) along the sphere (Shoemake 1985); straight for uniform latents and for (nearly) equal directions.
export function interpolate(a, b, t, distribution = "normal") {
  const straight = () => a.map((value, i) => (1 - t) * value + t * b[i]);
  if (distribution !== "normal") return straight();
  const dot = (p, q) => p.reduce((sum, value, i) => sum + value * q[i], 0);
  const cosine = Math.min(1, Math.max(-1, dot(a, b) / (Math.sqrt(dot(a, a) * dot(b, b)) + 1e-12)));
  const angle = Math.acos(cosine);
  if (Math.sin(angle) < 1e-4) return straight();
  const from = Math.sin((1 - t) * angle) / Math.sin(angle);
  const to = Math.sin(t * angle) / Math.sin(angle);
  return a.map((value, i) => from * value + to * b[i]);
}
