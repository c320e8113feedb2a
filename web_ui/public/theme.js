// Before the first paint, so that a light theme does not flash dark (or the reverse). A file, as the CSP forbids inline code.
(() => {
  let theme = "system";
  try {
    theme = JSON.parse(localStorage.getItem("ui") || "{}").state?.theme || "system";
  } catch {
    // storage that is switched off or broken: the default theme
  }
  if (theme === "system") theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.classList.toggle("dark", theme === "dark");
})();
