// Every text of the page, in English and in Simplified Chinese.

const ENGLISH = {
  title: "One seed, one picture.",
  lede: "A trained generator draws each of these in your browser, from nothing but its number. No server, no upload.",
  generator: "Generator",
  class: "Class",
  each: "each seed's own",
  seed: "Seed",
  roll: "Roll",
  count: "Pictures",
  truncation: "Truncation (0 is off)",
  psi: "Psi (1 is off, 0 the mean picture)",
  draw: "Draw",
  opening: "Loading the generator …",
  verified: "Verified on #: within one 8-bit step of the reference",
  assumed: "PASS, AS ASSUMED, on #: within one 8-bit step of the reference, on a reading of the file that nothing confirms",
  differs: "FAIL: this browser draws other pictures than the reference did. Do not trust them.",
  figures: "# % of the values are the same, the largest difference is # of 255; the reference: #",
  notRecorded: "what had to be assumed is not recorded",
  nothingAssumed: "nothing about the network had to be assumed",
  assumption: "assumed: #",
  compared: "# of the author's own pictures match",
  notWebGpu: "WebAssembly draws, not WebGPU: #",
  noWebGpu: "this browser has none.",
  noSuspending: "this browser's WebAssembly cannot wait for a GPU (it lacks JSPI).",
  noAdapter: "the browser offers no GPU.",
  softwareAdapter: "the only adapter is software (#), which is slower.",
  layers: "it has no kernel for some of this generator's layers.",
  gpuDiffers: "# draws other pictures than the reference.",
  slow: "it had not drawn the reference's pictures after # seconds.",
  lost: "the GPU was lost meanwhile.",
  gpuFailed: "it failed (#).",
  damaged: "The generator is damaged (its digest is wrong): it is not used. Copy the folder again.",
  failed: "It could not be opened:",
  index: "There is no list of generators here: copy the whole folder again.",
  insecure: "Digests can be checked on https and on localhost only, and nothing is drawn unchecked: open the page there.",
  address: "The address asks for what there is not:",
  seedRange: "The seed is a whole number from 0 to 4294967295.",
  seedRoom: "So many pictures need a lower seed: shown from",
  countRange: "Pictures: a whole number from 1 to 64.",
  psiRange: "Psi is from -2 to 2.",
  truncationRange: "Truncation is 0 (off), or 0.01 to 3.",
  grey: "grey",
  greyAlpha: "grey with transparency",
  colour: "colour",
  colourAlpha: "colour with transparency",
  latent: ", #-number latent",
  hint: "Click a picture to download it; Shift and click two for the way between them.",
  morph: "From one to the other",
  oneClass: "Every step is of class #, the first picture's: there is nothing between two classes.",
  language: "中文",
};
const CHINESE = {
  title: "一个种子，一张图。",
  lede: "训练好的生成器就在你的浏览器里，只凭一个数字画出每一张图。没有服务器，也不上传。",
  generator: "生成器",
  class: "类别",
  each: "随种子而定",
  seed: "种子",
  roll: "随机",
  count: "张数",
  truncation: "截断（0 为关闭）",
  psi: "Psi（1 为关闭，0 为平均图）",
  draw: "绘制",
  opening: "正在载入生成器……",
  verified: "已在 # 上验证：与参考图相差至多一个 8 位级",
  assumed: "在 # 上通过（基于假设）：与参考图相差至多一个 8 位级，但对文件的解读未经证实",
  differs: "失败：这个浏览器画的图与参考图不同，请勿信任。",
  figures: "# % 的数值相同，最大相差 #（共 255）；参考图：#",
  notRecorded: "未记录作过哪些假设",
  nothingAssumed: "对网络没有任何假设",
  assumption: "假设：#",
  compared: "与作者自己的 # 张图一致",
  notWebGpu: "由 WebAssembly 绘制，未用 WebGPU：#",
  noWebGpu: "浏览器不支持。",
  noSuspending: "浏览器的 WebAssembly 无法等待 GPU（缺少 JSPI）。",
  noAdapter: "浏览器没有提供 GPU。",
  softwareAdapter: "唯一的适配器是软件实现（#），速度更慢。",
  layers: "此生成器的某些层没有对应的计算核。",
  gpuDiffers: "# 画的图与参考图不同。",
  slow: "# 秒后仍未画出参考图。",
  lost: "GPU 中途失去连接。",
  gpuFailed: "运行失败（#）。",
  damaged: "生成器已损坏（摘要不符），未予使用。请重新复制文件夹。",
  failed: "无法打开：",
  index: "这里没有生成器列表：请重新复制整个文件夹。",
  insecure: "浏览器只在 https 和 localhost 上校验摘要，未经校验不绘制：请在那里打开本页。",
  address: "地址中无法显示的部分：",
  seedRange: "种子是 0 到 4294967295 的整数。",
  seedRoom: "这么多张需要更小的种子：从此处开始",
  countRange: "张数是 1 到 64 的整数。",
  psiRange: "Psi 在 -2 到 2 之间。",
  truncationRange: "截断为 0（关闭），或 0.01 到 3。",
  grey: "灰度",
  greyAlpha: "灰度带透明",
  colour: "彩色",
  colourAlpha: "彩色带透明",
  latent: "，# 维隐变量",
  hint: "点击图片即可下载；按住 Shift 点击两张，可看它们之间的过渡。",
  morph: "从一张到另一张",
  oneClass: "每一步都属于第一张图的类别 #：两个类别之间没有中间值。",
  language: "English",
};

let chinese = navigator.language.toLowerCase().startsWith("zh");

export const localized = (key) => (chinese ? CHINESE : ENGLISH)[key];

// `reason` is one of the keys above, a colon and a detail; or whatever the browser or ONNX Runtime said.
export function whyNotWebGpu(reason) {
  const [, key, detail] = /^(\w+):(.*)$/s.exec(reason) ?? [];
  const known = key === undefined ? undefined : localized(key);
  const why = (known ?? localized("gpuFailed")).replace("#", () => (known === undefined ? reason : detail));
  return localized("notWebGpu").replace("#", () => why);
}

export function translatePage(root = document) {
  document.documentElement.lang = chinese ? "zh-CN" : "en";
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = localized(element.dataset.text);
}

export function switchLanguage() {
  chinese = !chinese;
  translatePage();
}
