// Examines a page as it is shown now. Returns a line for each thing that somebody with a keyboard, a screen reader, a
// small window or weak eyes would stumble over (WCAG 2.2, level AA, as far as a program can tell).
() => {
  const found = [];
  const say = (what, element) => found.push(`${what}: ${element.outerHTML.replace(/\s+/g, " ").slice(0, 120)}`);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true });

  if (!document.documentElement.lang) found.push("the page names no language");
  if (all("h1").length !== 1) found.push(`the page has ${all("h1").length} headings of the first level`);
  if (all("main").length !== 1) found.push("the page has no single main part");
  if (!document.title.trim()) found.push("the page has no title");

  const ids = all("[id]").map((element) => element.id);
  ids.filter((id, n) => ids.indexOf(id) !== n).forEach((id) => found.push(`two elements have the id ${id}`));

  let level = 1;
  for (const heading of all("h1, h2, h3, h4, h5, h6").filter(isShown)) {
    const its = Number(heading.tagName[1]);
    if (its > level + 1) say(`a heading skips a level`, heading);
    level = its;
  }

  const nameOf = (element) =>
    [
      element.getAttribute("aria-label"),
      (element.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" "),
      ...[...(element.labels ?? [])].map((label) => label.textContent),
      ["BUTTON", "A", "SUMMARY"].includes(element.tagName) ? element.textContent : "",
    ].some((name) => name && name.trim());
  all("input:not([type=hidden]), select, textarea, button, a[href], summary, progress, [role=region], [role=img]")
    .filter((element) => !nameOf(element))
    .forEach((element) => say("has no name", element));

  all("table").filter((table) => !table.caption).forEach((table) => say("a table has no caption", table));
  all("th").filter((head) => !head.scope).forEach((head) => say("a head of a table says not what it is the head of", head));
  all("[style]").forEach((element) => say("has a style of its own, which the policy forbids", element));

  const width = document.scrollingElement.scrollWidth;
  if (width > innerWidth) {
    found.push(`the page is ${width} pixels wide in a window of ${innerWidth}`);
    all("main *")
      .filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".scroll"))
      .slice(0, 3)
      .forEach((element) => say("stands out of the window", element));
  }

  const rgba = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const luminance = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const groundOf = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const ground = rgba(getComputedStyle(at).backgroundColor);
      if (ground.a === 1) return ground;
      if (ground.a > 0) say("has a ground that is seen through", at);
    }
    return { r: 255, g: 255, b: 255 };
  };
  const ownText = (element) =>
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()) ||
    ["INPUT", "TEXTAREA", "SELECT"].includes(element.tagName);
  for (const element of all("body *").filter((each) => ownText(each) && isShown(each) && !each.closest("svg"))) {
    const [text, ground] = [luminance(rgba(getComputedStyle(element).color)), luminance(groundOf(element))];
    const contrast = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    if (contrast < 4.5) say(`has a contrast of ${contrast.toFixed(1)}`, element);
  }
  return found;
};
