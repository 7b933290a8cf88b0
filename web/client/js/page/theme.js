/** The page's colours: light, dark, or as the system has it. The style sheet reads the attribute that is set here. */

const GROUNDS = { light: "#F7F4EE", dark: "#141312" };

/** Tell the server, which writes the attribute into the page: a page that is loaded is painted before its script runs. @param {"light" | "dark" | "system"} theme */
function remember(theme) {
  const known = document.cookie.match(/(?:^|; )theme=(\w+)/)?.[1] ?? "system";
  if (known !== theme) document.cookie = `theme=${theme}; Path=/; SameSite=Lax; Max-Age=${theme === "system" ? 0 : 31_536_000}`;
}

/** @param {"light" | "dark" | "system"} theme */
export function applyTheme(theme) {
  const root = document.documentElement;
  remember(theme);
  if (theme === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = theme;
  for (const meta of document.querySelectorAll("meta[name=theme-color]")) {
    const own = meta.getAttribute("media")?.includes("dark") ? "dark" : "light";
    meta.setAttribute("content", GROUNDS[theme === "system" ? own : theme]);
  }
}
