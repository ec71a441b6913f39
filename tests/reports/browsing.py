"""Debian's chromium, and what a person must be able to read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright


@contextmanager
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path is not None, "there is no chromium: make packages installs it"
    with sync_playwright() as playwright:
        # Without a sandbox: in a container it may not have one, and the pages are ours.
        launched = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield launched
        launched.close()


CONTRAST = """
(selector) => {
  const luminance = (color) => {
    const parts = color.match(/[\\d.]+/g).slice(0, 3).map((part) => {
      const share = Number(part) / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const element = document.querySelector(selector);
  let behind = element;
  const clear = (each) => /rgba\\(.*, 0\\)/.test(getComputedStyle(each).backgroundColor);
  while (behind.parentElement && clear(behind)) behind = behind.parentElement;
  const [one, other] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor]
    .map(luminance)
    .sort((a, b) => b - a);
  return (one + 0.05) / (other + 0.05);
}
"""


def contrast(page: Page, selector: str) -> float:
    """The contrast of a text with what is behind it (WCAG 2.2, success criterion 1.4.3)."""
    return float(page.evaluate(CONTRAST, selector))
