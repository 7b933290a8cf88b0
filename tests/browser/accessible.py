"""Accessibility, as tests ask about it: axe-core on what a page shows now, and what its live region has said."""

from pathlib import Path

from playwright.async_api import Page

from tests.conftest import missing_program
from tests.support.running import ROOT

AXE = ROOT / "var" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
TWO_FRAMES = "() => new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then)))"
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}
# The rules that may find another colour scheme's fault: those of colours. All the others read what both schemes have in common.
OF_COLOURS = ["color-contrast", "link-in-text-block"]
RUN = """async (only) => {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const rules = { "target-size": { enabled: true }, "label-content-name-mismatch": { enabled: true } };
  const chosen = only ? { runOnly: { type: "rule", values: only } } : { runOnly: { type: "tag", values: tags }, rules };
  const { violations } = await axe.run(document, { ...chosen, resultTypes: ["violations"] });
  const line = ({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary.replace(/\\s+/g, " ").slice(0, 240)}`;
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${line(node)}`));
}"""
# Notes what live regions say: their whole text after each change (they are atomic), and what they say as they come, if that is an alert.
LISTEN = """() => {
  const told = (window.__told = JSON.parse(sessionStorage.getItem("told") ?? "[]"));
  const known = new Map();
  const REGIONS = "[role=status], [role=alert], [aria-live=polite], [aria-live=assertive]";
  new MutationObserver((changes) => {
    const regions = new Set(changes.map(({ target }) => (target.nodeType === 1 ? target : target.parentElement)?.closest(REGIONS)));
    for (const { addedNodes } of changes) for (const node of addedNodes) {
      if (node.nodeType !== 1) continue;
      for (const region of [node, ...node.querySelectorAll(REGIONS)]) if (region.matches(REGIONS)) {
        if (region.role === "alert") regions.add(region);
        else known.set(region, region.textContent.trim());
      }
    }
    for (const region of regions) {
      if (!region?.isConnected || region.ariaLive === "off" || !region.checkVisibility()) continue;
      const text = region.textContent.trim();
      if (text && text !== known.get(region)) told.push(text);
      known.set(region, text);
    }
    sessionStorage.setItem("told", JSON.stringify(told));
  }).observe(document, { childList: true, characterData: true, subtree: true });
}"""


async def inspected(page: Page) -> Page:
    """From its next load on the page can be inspected. Without axe-core the test is skipped, and fails in CI."""
    if not AXE.is_file():
        missing_program("axe-core")
    await page.add_init_script(path=AXE)
    await page.emulate_media(reduced_motion="reduce")  # no colour is measured half-way to another
    return page


async def faults(page: Page, state: str) -> list[str]:
    """What axe finds in this state of the page: light and dark, wide and narrow, and in forced colours. Leaves it wide and light."""
    found = []
    for size in (PHONE, DESK):
        await page.set_viewport_size(size)  # type: ignore[arg-type]
        await page.evaluate(TWO_FRAMES)  # the page follows its width with the next frame
        for theme, rules in (("dark", OF_COLOURS), ("light", None)):
            await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            found += [f"{state}, {size['width']} px, {theme}: {fault}" for fault in await page.evaluate(RUN, rules)]
    for theme in ("dark", "light"):
        await page.emulate_media(color_scheme=theme, forced_colors="active")  # type: ignore[arg-type]
        await page.evaluate(TWO_FRAMES)
        found += [f"{state}, forced colours, {theme}: {fault}" for fault in await page.evaluate(RUN, OF_COLOURS)]
    await page.emulate_media(color_scheme="light", forced_colors="none")
    return found


async def transcribed(page: Page) -> Page:
    """From its next load on the page keeps what its live region says, also over a reload."""
    await page.add_init_script(f"({LISTEN})()")
    return page


async def told(page: Page) -> list[str]:
    """What a screen reader was given to say so far, in order."""
    texts: list[str] = await page.evaluate("window.__told")
    return texts


def keep(name: str, lines: list[str]) -> Path:
    """A transcript for people to read."""
    path = ROOT / "var" / "reports" / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
