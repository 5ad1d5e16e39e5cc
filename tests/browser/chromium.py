"""Debian's Chromium, as every test starts it."""

from __future__ import annotations

from playwright.sync_api import Browser, Playwright

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


def launch(playwright: Playwright, *arguments: str, without: tuple[str, ...] = ()) -> Browser:
    """Start it, with these arguments and without these features, too."""
    features = ",".join((*_WITHOUT, *_WITHOUT_BY_PLAYWRIGHT, *without))
    return playwright.chromium.launch(
        executable_path=CHROMIUM, args=[*_ARGUMENTS, f"--disable-features={features}", *arguments]
    )
