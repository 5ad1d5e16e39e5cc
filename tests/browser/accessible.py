"""What axe has against a page.

Of brothers of one shape (the rows of a list, say: the same elements, classes and attributes all the way down, with
text in the same places) the first two, the last and the one of the longest text are looked at: what axe asks of one of
them, the contrast of each text above all, has the same answer for the others, and costs most of its time.
"""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Without the second option each element that is as it should be comes along: two thirds of the time. Letters stand in
# frames that run no script: axe would wait for each of them, and hear nothing.
_OPTIONS = {"runOnly": _RULES, "resultTypes": ["violations"], "iframes": False}

# The names of attributes count; of those that axe asks about or styles go by, their values as well.
_RUN = """async options => {
  const told = ["class", "role", "type", "scope", "tabindex", "lang", "dir"];
  const words = ["title", "alt", "placeholder", "value"];
  const asked = ({name, value}) => name === "href" ? value.slice(0, 1)
    : told.includes(name) || (name.startsWith("aria-") && !/label|describedby|controls|owns/.test(name)) ? value
    : words.includes(name) || name.startsWith("aria-") ? value.trim() !== "" : "";
  const shape = node => node.nodeType === Node.TEXT_NODE ? (node.data.trim() && "text")
    : node.nodeType !== Node.ELEMENT_NODE ? ""
    : `<${node.localName} ${[...node.attributes].map(a => `${a.name}=${asked(a)}`).sort()} ${node.checked ?? ""}>`
      + [...node.childNodes].map(shape).join("") + "</>";
  const left = [];
  for (const parent of document.querySelectorAll("body *")) {
    if (parent.childElementCount < 4 || left.some(each => each.contains(parent))) continue;
    const shapes = new Map();
    for (const child of parent.children) {
      const key = shape(child);
      shapes.set(key, [...(shapes.get(key) ?? []), child]);
    }
    for (const brothers of shapes.values()) {
      const longest = Math.max(...brothers.map(each => each.textContent.length));
      const talker = brothers.find(each => each.textContent.length === longest);
      const kept = [brothers[0], brothers[1], brothers.at(-1), talker];
      left.push(...brothers.filter(each => !kept.includes(each) && !each.contains(document.activeElement)));
    }
  }
  // They keep their room: what is to be scrolled still is.
  for (const each of left) each.style.setProperty("visibility", "hidden", "important");
  const {violations: found} = await axe.run(options);
  for (const each of left) {
    each.style.removeProperty("visibility");
    if (!each.getAttribute("style")) each.removeAttribute("style");
  }
  return found.map(({id, help, nodes}) => ({id, help, nodes: nodes.slice(0, 3).map(n => n.html.slice(0, 200))}));
}"""


def faults_of(page: Page) -> list[str]:
    """Return what is wrong with a page as it is shown now."""
    page.wait_for_load_state()  # whoever clicks on a link is there when its page begins
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found: list[dict[str, Any]] = page.evaluate(_RUN, _OPTIONS)
    return [f"{page.url} {each['id']}: {each['help']} {' | '.join(each['nodes'])}" for each in found]
