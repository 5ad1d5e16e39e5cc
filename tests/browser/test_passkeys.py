"""Passkeys by a real browser with an authenticator of its own: made, shown alone, after the password, and once more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from maild.policy.roles import Role
from tests.browser.accessible import faults_of
from tests.browser.chromium import PATIENCE_MS
from tests.browser.screenshots import sign_in
from tests.browser.serving import serving
from tests.web.office import PASSWORD

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]
_AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}

# The list at the login chooses by itself what stands in it, as long as this device is there: it opens once here.
_LIST = "PublicKeyCredential.isConditionalMediationAvailable = async () => localStorage.getItem('list') === 'open'"


def _accessible(page: Page) -> None:
    assert faults_of(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


def _sign_out(page: Page, base: str) -> None:
    page.goto(f"{base}/logout")
    page.click("main button")
    page.wait_for_url(re.compile("/login"))


def test_a_passkey_goes_the_whole_way_through_chromium(chromium: Browser, tmp_path: Path) -> None:
    with serving(tmp_path / "office", "localhost") as (base, office):
        office.user("lea", (Role.READER, "kita"))
        page = chromium.new_page(viewport={"width": 390, "height": 844}, locale="de", color_scheme="dark")
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(_LIST)
        browser = page.context.new_cdp_session(page)
        browser.send("WebAuthn.enable")
        device = browser.send("WebAuthn.addVirtualAuthenticator", {"options": _AUTHENTICATOR})["authenticatorId"]
        sign_in(page, base, "lea")
        page.goto(f"{base}/sessions/passkeys")
        _accessible(page)
        page.get_by_role("button", name="Passkey einrichten").click()  # without a name nothing is asked for
        page.fill("#name", "Diensthandy")
        page.get_by_role("button", name="Passkey einrichten").press("Enter")
        expect(page.locator("h1")).to_have_text("Codes auf Papier")
        held = browser.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]
        assert [(each["rpId"], each["isResidentCredential"]) for each in held] == [("localhost", True)]
        page.goto(f"{base}/sessions/passkeys")
        expect(page.locator("tbody th")).to_have_text("Diensthandy")
        _accessible(page)
        page.fill("#name", "Noch einmal")
        page.get_by_role("button", name="Passkey einrichten").click()  # the device has one already
        expect(page.get_by_role("alert")).to_contain_text("dieses Gerät hat schon einen")

        _sign_out(page, base)
        _accessible(page)
        page.goto(f"{base}/login?next=/sessions")
        page.get_by_role("button", name="Mit einem Passkey anmelden").click()
        page.wait_for_url(f"{base}/sessions")
        expect(page.locator("main")).to_contain_text("mit einem Passkey")

        _sign_out(page, base)
        page.evaluate("localStorage.setItem('list', 'open')")
        page.goto(f"{base}/login?next=/sessions/passkeys")
        page.wait_for_url(f"{base}/sessions/passkeys")  # chosen from the list at the login, without the button
        page.evaluate("localStorage.removeItem('list')")

        _sign_out(page, base)
        page.fill("#login", "lea")
        page.fill("#password", PASSWORD)
        page.click("main button.primary")
        _accessible(page)
        page.get_by_role("button", name="Passkey zeigen").click()
        page.wait_for_url(f"{base}/inbox/kita")

        with office.database.writing.begin() as connection:
            connection.exec_driver_sql("UPDATE sessions SET confirmed_ms = 1")
        page.goto(f"{base}/sessions/passkeys")
        expect(page.locator("h1")).to_have_text("Sind Sie es noch?")
        _accessible(page)
        page.get_by_role("button", name="Passkey zeigen").click()
        page.wait_for_url(f"{base}/sessions/passkeys")
        page.get_by_role("button", name="Entfernen: Diensthandy").click()
        expect(page.locator("tbody")).to_have_count(0)

        _sign_out(page, base)
        page.get_by_role("button", name="Mit einem Passkey anmelden").click()
        expect(page.get_by_role("alert").first).to_contain_text("Dieser Passkey öffnet hier nichts")
        browser.send("WebAuthn.clearCredentials", {"authenticatorId": device})
        page.goto(f"{base}/login")
        page.get_by_role("button", name="Mit einem Passkey anmelden").click()
        expect(page.get_by_role("alert")).to_contain_text("Vom Gerät kam nichts")
        page.close()
