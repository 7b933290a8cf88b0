// Run before the page's own scripts: sets `interactive` once the control is seen and a click on it has changed the page, to the ms since
// the navigation began, those of that click, and those of the beginning since 1970.
(() => {
  const CONTROLS = new Set("CONTROLS");
  const EVERY_MS = 200; // between clicks that change nothing
  let clicked = -Infinity;
  const answered = () => {
    changes.disconnect();
    globalThis.interactive = [performance.now(), clicked, performance.timeOrigin];
  };
  const changes = new MutationObserver(answered);
  const isSeen = (control) => CONTROLS.has(control.textContent.trim()) && !control.disabled && control.checkVisibility() && control.getBoundingClientRect().height > 0;
  const look = () => {
    if (globalThis.interactive) return;
    const control = [...document.querySelectorAll("button, a")].find(isSeen);
    if (control && performance.now() - clicked > EVERY_MS) {
      clicked = performance.now();
      changes.observe(document.documentElement, { subtree: true, childList: true, attributes: true, characterData: true });
      control.click();
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
