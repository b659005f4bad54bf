() => {
  // Gradio translates the page and leaves its language at English, which screen readers would then speak.
  document.documentElement.lang = navigator.language.toLowerCase().startsWith("zh") ? "zh-CN" : "en";

  // Gradio's gallery names every thumbnail "Thumbnail 3 of 24" over a caption that says more, and labels empty boxes that have
  // no role: screen readers then hear something else than what stands there (axe: serious). Named by their captions instead.
  const mend = () => {
    for (const button of document.querySelectorAll(".thumbnail-item")) {
      const caption = button.querySelector(".caption-label")?.innerText.trim();
      if (caption && button.getAttribute("aria-label") !== caption) button.setAttribute("aria-label", caption);
    }
    for (const box of document.querySelectorAll(".empty[aria-label]")) box.removeAttribute("aria-label");
  };
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
  mend();
}
