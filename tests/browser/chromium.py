"""Debian's Chromium, as every test starts it."""

from __future__ import annotations

from playwright.sync_api import Browser, Playwright, expect

PATIENCE_MS = 60_000  # a page that is to change has as long; five seconds, as usual there, a machine may stand still
expect.set_options(timeout=PATIENCE_MS)
CHROMIUM = "/usr/bin/chromium"
# There is no graphics card where tests run: to imitate one costs more than to paint without it.
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-gpu-rasterization")
# Each window has two pages of the browser's own behind its address bar, which nobody sees: two thirds of what it costs.
_WITHOUT = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup")
# Of several such lists only the last one holds: what Playwright leaves out stays out.
_WITHOUT_BY_PLAYWRIGHT = (
    "AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding", "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect", "OptimizationHints", "NetworkTimeServiceQuerying", "AimEnabled",
    "PreconnectToSearch",
)  # fmt: skip


def arguments(*more: str, without: tuple[str, ...] = ()) -> list[str]:
    """Return what it is started with, and without these features, too."""
    features = ",".join((*_WITHOUT, *_WITHOUT_BY_PLAYWRIGHT, *without))
    return [*_ARGUMENTS, f"--disable-features={features}", *more]


def launch(playwright: Playwright, *more: str, without: tuple[str, ...] = ()) -> Browser:
    """Start it, with these arguments and without these features, too."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=arguments(*more, without=without))
