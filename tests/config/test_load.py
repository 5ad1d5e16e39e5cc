from __future__ import annotations

import textwrap
from dataclasses import fields
from pathlib import Path

import pytest

from maild.config import Endpoint, Settings, load_settings
from maild.config.load import SYSTEM_DATA_DIR
from maild.config.model import Smtp
from maild.errors import ConfigurationError
from maild.smtp.limits import Limits


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "maild.toml") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def refusal(text: str = "", environ: dict[str, str] | None = None) -> list[str]:
    write(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, environ or {})
    return [str(diagnostic) for diagnostic in caught.value.diagnostics]


def test_an_empty_file_gives_every_default() -> None:
    write("")
    settings = load_settings(None, {})
    assert settings.smtp.listen == (Endpoint(host="127.0.0.1", port=8025),)
    assert settings.server.data_dir == Path.cwd() / "var"
    assert settings.server.rules == Path.cwd() / "rules.yaml"
    assert settings.base_url == "http://127.0.0.1:8080"
    assert settings.path == Path.cwd() / "maild.toml"


def test_a_misspelt_setting_names_the_nearest_one_and_its_place() -> None:
    assert refusal("""
        [smtp]
        lisen = ["127.0.0.1:25"]
        """) == ["maild.toml:3:1: error[unknown-key]: 'lisen' is not a setting of [smtp]; did you mean 'listen'?"]


def test_a_misspelt_section_names_the_nearest_one() -> None:
    assert refusal("[webb]\n") == [
        "maild.toml:1:1: error[unknown-section]: 'webb' is not a section that maild knows; did you mean 'web'?"
    ]


def test_a_setting_before_any_section_is_told_where_it_belongs() -> None:
    (found,) = refusal("max_recipients = 200\n")
    assert found.endswith(": 'max_recipients' stands before any section; it is a setting of [smtp]")
    (found,) = refusal('colour = "red"\n')
    assert found.endswith(": 'colour' is not a setting outside of a section that maild knows")


def test_every_mistake_is_listed_at_once_in_the_order_of_lines() -> None:
    found = refusal(
        """
        colour = "red"
        [server]
        language = "fr"
        rulez = "x"
        [smtp]
        listen = "127.0.0.1:25"
        max_message_bytes = "35 MB"
        max_recipients = 99
        command_s = -1
        trusted_proxies = ["10.0.0.0/99"]
        [web]
        listen = "127.0.0.1:99999"
        base_url = "post.example"
        [tls]
        key_file = ""
        [mail]
        """
    )
    assert [line.split(":")[1] for line in found] == ["2", "4", "5", "7", "8", "9", "10", "11", "13", "14", "17"]
    assert {line.split("error[")[1].split("]")[0] for line in found} == {"unknown-section", "unknown-key", "bad-value"}


def test_a_bad_value_is_pointed_at_and_says_what_is_wanted() -> None:
    (found,) = refusal('[smtp]\nmax_recipients = "many"\n')
    assert found == (
        "maild.toml:2:18: error[bad-value]: 'max_recipients' wants a whole number from 100 to 100_000, not \"many\""
    )


@pytest.mark.parametrize("text", ["[smtp", "[smtp]\nlisten = \n", 'x = "', "[smtp]\n[smtp]\n", "a = 1\na = 2\n"])
def test_text_that_is_not_toml_is_refused_with_a_place(text: str) -> None:
    (found,) = refusal(text)
    assert "error[toml]" in found
    assert int(found.split(":")[1]) >= 1


def test_a_file_that_is_not_utf8_is_refused() -> None:
    Path("maild.toml").write_bytes(b'[server]\nhostname = "m\xfcller"\n')
    with pytest.raises(ConfigurationError, match=r"error\[encoding\]"):
        load_settings(None, {})


def test_a_file_that_was_asked_for_and_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"other.toml:1:1: error\[unreadable-file\]"):
        load_settings(Path("other.toml"), {})


def test_no_file_at_all_says_how_to_get_one() -> None:
    with pytest.raises(ConfigurationError, match="maild init"):
        load_settings(None, {})


def test_the_environment_alone_is_enough() -> None:
    settings = load_settings(None, {"MAILD_SMTP__LISTEN": "0.0.0.0:25, [::]:25"})
    assert [str(e) for e in settings.smtp.listen] == ["0.0.0.0:25", "[::]:25"]
    assert settings.path is None


def test_the_given_file_goes_before_the_environments_and_that_before_the_folders() -> None:
    for name in ("given", "named", "maild"):
        write(f'[server]\nhostname = "{name}"\n', f"{name}.toml")
    environ = {"MAILD_CONFIG": "named.toml"}
    assert load_settings(Path("given.toml"), environ).server.hostname == "given"
    assert load_settings(None, environ).server.hostname == "named"
    assert load_settings(None, {}).server.hostname == "maild"


def test_a_variable_overrides_the_file() -> None:
    write("[smtp]\nmax_message_bytes = 20_000\ncommand_s = 5\n")
    settings = load_settings(None, {"MAILD_SMTP__MAX_MESSAGE_BYTES": "30_000"})
    assert settings.smtp.max_message_bytes == 30_000
    assert settings.smtp.command_s == 5.0


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MAILD_SMTP__LISEN", "x", "$MAILD_SMTP__LISEN:1:1: error[unknown-key]: 'lisen' is not a setting of [smtp]"),
        ("MAILD_SMPT__LISTEN", "x", "$MAILD_SMPT__LISTEN:1:1: error[unknown-section]: there is no section [smpt]"),
        ("MAILD_SMTP__LISTEN", "x", "$MAILD_SMTP__LISTEN:1:1: error[bad-value]: 'listen' wants a list"),
        ("MAILD_SMTP__MAX_ERRORS", "no", "$MAILD_SMTP__MAX_ERRORS:1:1: error[bad-value]: 'max_errors' wants"),
        ("MAILD_SMTP_LISTEN", "x", "$MAILD_SMTP_LISTEN:1:1: error[unknown-key]: write MAILD_SMTP__LISTEN, with two"),
    ],
)
def test_a_mistake_in_the_environment_names_its_variable(name: str, value: str, expected: str) -> None:
    (found,) = refusal("", {name: value})
    assert found.startswith(expected)


def test_other_variables_of_maild_are_left_alone() -> None:
    write("")
    load_settings(None, {"MAILD_CORPUS": "/x", "MAILD_CRASH": "full", "MAILD_SMTP_PORT": "tcp://1", "HOME": "/"})


def test_paths_are_relative_to_the_file_and_not_to_the_folder_one_is_in() -> None:
    write(
        '[server]\nrules = "my.yaml"\ndata_dir = "/srv/maild"\n[tls]\ncert_file="c"\nkey_file="k"\n', "etc/maild.toml"
    )
    settings = load_settings(Path("etc/maild.toml"), {})
    assert settings.server.rules == Path.cwd() / "etc" / "my.yaml"
    assert settings.server.data_dir == Path("/srv/maild")
    assert settings.tls.key_file == Path.cwd() / "etc" / "k"


def test_the_systems_file_has_the_systems_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("", "system/maild.toml")
    monkeypatch.setattr("maild.config.load.SYSTEM_FILE", path.absolute())
    assert load_settings(path.absolute(), {}).server.data_dir == SYSTEM_DATA_DIR
    path.write_text('[server]\ndata_dir = "here"\n', encoding="utf-8")
    assert load_settings(path.absolute(), {}).server.data_dir == path.parent.absolute() / "here"


def secret_file(text: str = "postgresql+psycopg://maild:secret@db/maild\n") -> Path:
    path = Path("secret.txt")
    path.write_text(text, encoding="utf-8")
    return path


def test_a_secret_comes_from_a_file() -> None:
    secret_file()
    write('[database]\nurl_file = "secret.txt"\n')
    assert load_settings(None, {}).database.url == "postgresql+psycopg://maild:secret@db/maild"


def test_a_secret_comes_from_systemds_credentials() -> None:
    secret_file().rename("database.url")
    write("")
    assert load_settings(None, {"CREDENTIALS_DIRECTORY": str(Path.cwd())}).database.url.endswith("@db/maild")


def test_a_secret_of_the_environment_overrides_both_forms_of_the_file() -> None:
    secret_file()
    write('[database]\nurl = "sqlite:///other"\n')
    assert load_settings(None, {"MAILD_DATABASE__URL_FILE": "secret.txt"}).database.url.endswith("@db/maild")
    write('[database]\nurl_file = "not-there"\n')
    assert load_settings(None, {"MAILD_DATABASE__URL": "sqlite:///mine"}).database.url == "sqlite:///mine"


def test_a_secret_given_twice_is_refused() -> None:
    secret_file()
    (found,) = refusal('[database]\nurl = "sqlite:///x"\nurl_file = "secret.txt"\n')
    assert found == "maild.toml:3:1: error[set-twice]: 'url' and 'url_file' are both set; keep one of them"


def test_a_secret_that_cannot_be_read_is_refused() -> None:
    (found,) = refusal('[database]\nurl_file = "nowhere"\n')
    assert "error[unreadable-file]: 'url_file': nowhere cannot be read: no such file or directory" in found


def test_a_secret_is_never_part_of_a_diagnostic() -> None:
    (found,) = refusal("[database]\nurl = 4711\n")
    assert "4711" not in found


def test_half_a_certificate_is_refused() -> None:
    (found,) = refusal('[tls]\ncert_file = "x.pem"\n')
    assert found == "maild.toml:2:1: error[incomplete]: 'cert_file' needs 'key_file' beside it"


def test_two_doors_at_one_address_are_refused() -> None:
    (found,) = refusal('[smtp]\nlisten = ["127.0.0.1:80"]\n[web]\nlisten = "127.0.0.1:80"\n')
    assert found.startswith("maild.toml:4:1: error[same-address]: 127.0.0.1:80 is taken by [smtp] listen")


@pytest.mark.parametrize("text", ["host", "host:", "host:x", "host:65536", "::1:25", "a b:25", ""])
def test_what_is_no_address_to_listen_on_is_refused(text: str) -> None:
    (found,) = refusal(f'[web]\nlisten = "{text}"\n')
    assert "error[bad-value]" in found


def test_dns_servers_have_addresses_with_or_without_a_port() -> None:
    write('[dns]\nresolvers = ["127.0.0.1", "192.0.2.53:5353", "::1", "[2001:db8::1]:54"]\n')
    assert [str(each) for each in load_settings(None, {}).dns.resolvers] == [
        "127.0.0.1:53",
        "192.0.2.53:5353",
        "[::1]:53",
        "[2001:db8::1]:54",
    ]


@pytest.mark.parametrize("text", ["dns.example", "dns.example:53", "127.0.0.1:0", "127.0.0.1:x", "*:53", ":53", ""])
def test_what_is_no_address_of_a_dns_server_is_refused(text: str) -> None:
    found = refusal(f'[dns]\nresolvers = ["{text}"]\n')
    assert len(found) == 1
    assert "a list of addresses of DNS servers" in found[0]


def test_a_section_written_as_a_value_is_refused() -> None:
    assert "error[bad-section]: 'smtp' is a section" in refusal('smtp = "on"\n')[0]


def test_the_limits_of_reception_are_settings_with_the_same_defaults() -> None:
    limits, settings = Limits(), Settings().smtp
    assert {f.name: getattr(settings, f.name) for f in fields(Limits)} == {
        f.name: getattr(limits, f.name) for f in fields(Limits)
    }
    assert {f.name for f in fields(Smtp)} - {f.name for f in fields(Limits)} == {
        "listen",
        "trusted_authserv_ids",
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[submission]\nlisten = ["0.0.0.0:587"]', "incomplete"),
        ('[submission]\nlisten_tls = ["127.0.0.1:465"]', "incomplete"),
        ('[submission]\nlisten = ["127.0.0.1:8080"]', "same-address"),
        ('[smtp]\nlisten = ["127.0.0.1:587"]\n[submission]\nlisten = ["127.0.0.1:587"]', "same-address"),
    ],
)
def test_mail_programs_have_a_door_of_their_own_and_a_certificate(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "maild.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load_settings(path, {})
    assert [each.code for each in refused.value.diagnostics] == [code]


def test_mail_programs_of_this_machine_need_no_certificate(tmp_path: Path) -> None:
    path = tmp_path / "maild.toml"
    path.write_text('[submission]\nlisten = ["127.0.0.1:587", "[::1]:587"]', encoding="utf-8")
    assert len(load_settings(path, {}).submission.listen) == 2
