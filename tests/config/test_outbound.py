from __future__ import annotations

from pathlib import Path

import pytest

from maild.config import Settings, load_settings
from maild.errors import ConfigurationError


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "maild.toml"
    path.write_text(f"[outbound]\n{text}\n")
    return load_settings(path, {})


def test_without_settings_mail_goes_to_the_hosts_of_each_domain(tmp_path: Path) -> None:
    outbound = load(tmp_path, "").outbound
    assert (outbound.smarthost, outbound.allow_private, outbound.expire_days) == ("", (), 5)


def test_a_smarthost_has_its_password_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("geheim\n")
    settings = load(tmp_path, 'smarthost = "[2001:db8::1]:465"\nlogin = "maild"\npassword_file = "secret"')
    assert (settings.outbound.smarthost, settings.outbound.password) == ("[2001:db8::1]:465", "geheim")


@pytest.mark.parametrize("wrong", ["mail.example", "mail.example:", "mail.example:0", "::1:25", "a b:25", ":25"])
def test_a_smarthost_is_a_host_and_a_port(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="bad-value"):
        load(tmp_path, f'smarthost = "{wrong}"')


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ('login = "x"\npassword = "y"', "'login' needs 'smarthost'"),
        ('smarthost = "a:25"\nlogin = "x"', "'login' needs 'password'"),
        ('smarthost = "a:25"\npassword = "x"', "'password' needs 'login'"),
    ],
)
def test_a_login_is_whole(tmp_path: Path, text: str, missing: str) -> None:
    with pytest.raises(ConfigurationError, match=missing):
        load(tmp_path, text)
