from __future__ import annotations

from pathlib import Path

import pytest

from maild.config import load_settings
from maild.errors import ConfigurationError

GOOD = """
[oidc]
issuer = "https://sso.musterstadt.example/realms/staff"
client_id = "maild"
groups = { "maild-kita" = ["kita:responder", "bauamt:reader"], "it" = "administrator" }
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_groups_bring_grants() -> None:
    Path("maild.toml").write_text(GOOD, encoding="utf-8")
    kita = (("kita", "responder"), ("bauamt", "reader"))
    assert load_settings(None, {}).oidc.groups == (("maild-kita", kita), ("it", ((None, "administrator"),)))
    by_variable = load_settings(None, {"MAILD_OIDC__GROUPS": '{"it": ["auditor"]}'})
    assert by_variable.oidc.groups == (("it", ((None, "auditor"),)),)


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("https://sso", "http://sso", "'issuer' wants an address that begins with https://"),
        ("https://sso", "https://user@sso", "'issuer' wants"),
        ("/realms/staff", "/realms/staff?x=1", "'issuer' wants"),
        ('client_id = "maild"\n', "", "'issuer' needs 'client_id' beside it"),
        ("groups = {", "#", "'issuer' needs 'groups' beside it"),
        ("kita:responder", "kita:administrator", "'groups' wants a table"),
        ('"administrator"', '"responder"', "'groups' wants a table"),
        ("kita:responder", "kita:boss", "'groups' wants a table"),
    ],
)
def test_what_would_open_too_much_or_nothing_is_refused(good: str, bad: str, said: str) -> None:
    assert good in GOOD
    Path("maild.toml").write_text(GOOD.replace(good, bad), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {})
    assert said in str(caught.value)
