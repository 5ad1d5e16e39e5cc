"""Every page, in both languages, and what its states look like."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from maild.archive.accounts import find_user
from maild.policy.roles import Role
from tests.web.office import HTML_LETTER, PASSWORD, Office, letter, shown_id, sign_in, token_in

WORDS = {
    "/inbox/kita": ("Posteingänge", "Inboxes"),
    "/inbox/kita?state=waiting": ("Nichts wartet", "Nothing waits"),
    "/inbox/kita?state=spam": ("Kein Spam", "No spam"),
    "/search": ("beide Wörter", "both words"),
    "/search?q=fehltganz": ("Kein Brief, den Sie lesen dürfen", "No letter that you may read"),
    "/search?q=unbekannt:x": ("Ein Feld „unbekannt“ gibt es nicht", "There is no field “unbekannt”"),
    "/sessions": ("Meine Anmeldung", "My sign-in"),
    "/logout": ("Abmelden?", "Sign out?"),
    "/directory": ("Verzeichnis der Funktionsadressen", "Directory of function addresses"),
    "/no/such/page": ("Nicht gefunden", "Not found"),
}


@pytest.mark.parametrize("path", WORDS)
def test_every_page_speaks_the_readers_language(shared: Office, path: str) -> None:
    with shared.client("petra") as client:
        for language, words in zip(("de", "en"), WORDS[path], strict=True):
            page = client.get(path, headers={"accept-language": language}).text
            assert words in page
            assert f'<html lang="{language}">' in page


@pytest.mark.parametrize("language", ["de", "en"])
def test_no_page_shows_what_its_template_should_have_filled_in(shared: Office, language: str) -> None:
    number = shared.mail(letter(f"Füllung {language}"))
    with shared.client("petra", **{"accept-language": language}) as client:
        for path in (
            *WORDS,
            f"/c/{shared.reference(number)}",
            f"/m/{shown_id(number)}",
            f"/m/{shown_id(number)}/source",
        ):
            page = client.get(path).text
            assert not re.search(r"\{\{|\{%|%\(\w+\)|&lt;time|None\b|<Undefined", page.replace("&#34;", "")), path
            assert page.count("<h1") == 1, path
            assert page.count("<main") == 1, path


def test_home_leads_to_the_inbox_that_was_left_last_else_to_the_first(shared: Office) -> None:
    shared.user("zwei", (Role.READER, "kita"), (Role.READER, "poststelle"))
    with shared.client("zwei") as client:
        assert client.get("/").headers["location"] == "/inbox/poststelle"
        client.get("/inbox/kita")
        assert client.get("/").headers["location"] == "/inbox/kita"


def test_who_may_read_nothing_yet_is_told_what_happens_next(shared: Office) -> None:
    with shared.client("neu") as client:
        page = client.get("/")
        assert page.status_code == 200
        assert "Noch kein Posteingang" in page.text
        assert "maild grant neu TEAM responder" in page.text


def test_the_list_shows_subject_sender_waiting_tags_and_attachments(shared: Office) -> None:
    shared.mail(letter("Dringend: heute noch", sender='"Müller, Eva" <eva@citizen.example>'), age_s=7_200)
    with shared.client("petra") as client:
        page = client.get("/inbox/kita").text
    row = re.search(r'<li class="row.*?Dringend: heute noch.*?</li>\s*</ul>\s*</li>', page, re.DOTALL)
    assert row is not None
    for words in ("Müller, Eva", "wartet 2 Stunden", '<li class="tag">eilt</li>', "dringend", "noch nicht gesehen"):
        assert words in row[0]


def test_opening_a_conversation_marks_it_as_seen_for_the_team(shared: Office) -> None:
    reference = shared.reference(shared.mail(letter("Ungesehen bisher")))
    with shared.client("petra") as petra, shared.client("leser") as reader:
        unseen = re.compile(r'<li class="row unseen[^>]*>(?:(?!</li>).)*Ungesehen bisher', re.DOTALL)
        assert unseen.search(reader.get("/inbox/kita").text)
        petra.get(f"/c/{reference}")
        assert not unseen.search(reader.get("/inbox/kita").text)


@pytest.mark.parametrize("form", ["{0}", "lower", "no hyphen", "with O"])
def test_a_reference_is_read_as_people_type_it(shared: Office, form: str) -> None:
    reference = shared.reference(shared.mail(letter(f"Tippen {form}")))
    typed = {"lower": reference.lower(), "no hyphen": reference.replace("-", ""), "with O": reference.replace("0", "o")}
    with shared.client("petra") as client:
        assert client.get(f"/c/{typed.get(form, reference)}").status_code == 200
        assert client.get(f"/c/{reference}x").status_code == 404


def test_a_conversation_has_its_letters_in_order_and_the_newest_open(shared: Office) -> None:
    shared.mail(letter("Faden", "eins\n", key="f1@x"), age_s=500)
    shared.mail(letter("Re: Faden", "zwei\n", key="f2@x", parent="f1@x"), age_s=400)
    newest = shared.mail(letter("Re: Faden", "drei\n", key="f3@x", parent="f2@x"), age_s=300)
    with shared.client("petra") as client:
        page = client.get(f"/c/{shared.reference(newest)}").text
    letters = re.findall(r'<article class="letter in".*?</article>', page, re.DOTALL)
    assert [next(word for word in ("eins", "zwei", "drei") if word in text) for text in letters] == [
        "eins",
        "zwei",
        "drei",
    ]
    assert ["<details open>" in text for text in letters] == [False, False, True]
    assert "<h1>Faden</h1>" in page


def test_two_hundred_letters_are_one_page_with_the_older_ones_folded(shared: Office) -> None:
    number = shared.mail(letter("Lang", "Nummer 0\n", key="n0@x"), age_s=90_000)
    for count in range(1, 40):
        number = shared.mail(
            letter("Re: Lang", f"Nummer {count}\n", key=f"n{count}@x", parent=f"n{count - 1}@x"), age_s=90_000 - count
        )
    reference = shared.reference(number)
    with shared.client("petra") as client:
        page = client.get(f"/c/{reference}").text
        assert "36 ältere Briefe" in page
        assert page.count('class="letterbody unopened"') == 37
        asked = re.search(r'href="([^"]*open=[^"#]*)#', page)
        assert asked is not None
        opened = client.get(asked[1].replace("&amp;", "&")).text
        assert opened.count('class="letterbody unopened"') == 36
        assert '<details class="older" open>' in opened


def test_states_and_assignees_are_set_and_shown(shared: Office) -> None:
    reference = shared.reference(shared.mail(letter("Handlung")))
    with shared.client("petra") as client:
        token = token_in(client.get(f"/c/{reference}").text)

        def act(what: str, **fields: str) -> str:
            answer = client.post(f"/c/{reference}/{what}", data={"token": token, "team": "kita", **fields})
            assert answer.status_code == 303
            return client.get(answer.headers["location"]).text

        assert "Zuständig</dt><dd>Petra Maurer" in act("assignee", assignee="petra")
        assert "Zuständig</dt><dd>\u2013" in act("assignee", assignee="")
        for state, words in (
            ("waiting", "wartet auf Antwort"),
            ("closed", "erledigt"),
            ("spam", "Spam"),
            ("open", "offen"),
        ):
            assert f"Status</dt><dd>{words}" in act("state", state=state)
        for what, fields in (("state", {"state": "gone"}), ("assignee", {"assignee": "nobody-of-us"})):
            answer = client.post(f"/c/{reference}/{what}", data={"token": token, "team": "kita", **fields})
            assert answer.status_code == 400


def test_raw_is_octet_for_octet_what_came(shared: Office) -> None:
    octets = (
        b"From: a@b.example\r\nSubject: roh\r\n\r\n\x00\xff\x80 8-bit\r\n.\r\nbare\nlf\rcr\r\n"
        + bytes(range(256)) * 4_000
    )
    number = shown_id(shared.mail(octets))
    with shared.client("petra") as client:
        answer = client.get(f"/m/{number}/raw")
        assert answer.content == octets
        assert answer.headers["content-type"] == "message/rfc822"
        assert answer.headers["content-disposition"] == f'attachment; filename="{number}.eml"'
        source = client.get(f"/m/{number}/source").text
        assert "␀" in source
        assert "mehr stehen im Original" in source
        assert client.get(f"/m/{number}").status_code == 200


def test_a_letter_in_html_stands_in_a_frame_and_as_text_beside(shared: Office) -> None:
    number = shown_id(shared.mail(HTML_LETTER))
    with shared.client("petra") as client:
        page = client.get(f"/m/{number}").text
        assert f'src="/m/{number}/letter"' in page
        assert "Als reiner Text" in page
        assert "Bilder aus dem Netz sind nicht geladen" in page
        assert "<script>alert" not in page
        framed = client.get(f"/m/{number}/letter").text
        assert "Guten <b>Tag</b>" in framed
        assert "alert(1)" not in framed


def test_a_message_beyond_the_limits_is_shown_as_source_only(shared: Office) -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(200))
    number = shared.mail(b"From: a@b.example\r\nSubject: tief\r\n" + deep + b"\r\nganz unten\r\n")
    with shared.client("petra") as client:
        for path in (f"/m/{shown_id(number)}", f"/c/{shared.reference(number)}"):
            page = client.get(path).text
            assert "nur Quelltext darstellbar" in page
            assert "zu tief geschachtelt" in page
            assert "boundary=b7" in page


@pytest.mark.parametrize("to", ["/inbox/kita?state=closed", "/c/7K3F-9Q2A?team=kita"])
def test_after_signing_in_one_is_where_one_wanted_to_be(shared: Office, to: str) -> None:
    with shared.client() as client:
        asked = client.get(to)
        page = client.get(asked.headers["location"])
        wanted = re.search(r'name="next" value="([^"]*)"', page.text)
        assert wanted is not None
        data = {
            "token": token_in(page.text),
            "login": "PETRA ",
            "password": PASSWORD,
            "next": wanted[1].replace("&amp;", "&"),
        }
        assert client.post("/login", data=data).headers["location"] == to


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/login",
        "",
    ],
)
def test_signing_in_never_leads_elsewhere(shared: Office, to: str) -> None:
    with shared.client() as client:
        page = client.get("/login", params={"next": to})
        data = {"token": token_in(page.text), "login": "petra", "password": PASSWORD, "next": to}
        assert client.post("/login", data=data).headers["location"] == "/"


def test_a_choice_of_language_is_kept_for_the_browser_and_the_person(shared: Office) -> None:
    with shared.client() as client:
        token = token_in(client.get("/login").text)
        assert client.post("/language", data={"token": token, "language": "en", "next": "/login"}).status_code == 303
        assert "Sign in" in client.get("/login").text
        assert client.post("/language", data={"token": token, "language": "xx"}).status_code == 400
        sign_in(client, "leser")
        page = client.get("/sessions").text
        client.post("/language", data={"token": token_in(page), "language": "de"})
    with shared.database.read() as connection:
        assert find_user(connection, "leser").language == "de"
    with shared.client("leser", **{"accept-language": "en"}) as client:
        assert "Meine Anmeldung" in client.get("/sessions").text


def test_health_says_what_is_wrong_in_a_word(office: Office) -> None:
    with office.client() as client:
        assert (client.get("/healthz").text, client.get("/readyz").text) == ("ok\n", "ready\n")
        office.ready.extend(["storage", "rules"])
        answer = client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "not ready: storage rules\n")
        assert client.get("/healthz").status_code == 200


def test_static_files_are_ours_and_nothing_else(shared: Office) -> None:
    with shared.client() as client:
        for name in ("../site.py", "..%2fsite.py", "%2e%2e/site.py", "maild.css/", "nothing", ".", "locale"):
            assert client.get(f"/static/{name}").status_code == 404
        answer = client.get("/static/maild.js")
        assert answer.headers["content-type"].startswith("text/javascript")
        tag = answer.headers["etag"]
        assert client.get("/static/maild.js", headers={"if-none-match": tag}).status_code == 304


def test_pages_go_on_where_the_one_before_ended(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    for number in range(53):
        office.mail(letter(f"Brief {number:02}"), age_s=10_000 - number)
    with office.client("petra") as client:
        first = client.get("/inbox/kita").text
        older = re.search(r'rel="next" href="([^"]+)"', first)
        assert older is not None
        second = client.get(older[1].replace("&amp;", "&")).text
        assert client.get("/inbox/kita?before=nonsense").status_code == 404
    subjects = re.findall(r"Brief (\d\d)</a>", first) + re.findall(r"Brief (\d\d)</a>", second)
    assert subjects == [f"{number:02}" for number in range(52, -1, -1)]
    assert 'rel="next"' not in second


def test_the_script_and_the_stylesheet_ask_for_nothing_from_elsewhere() -> None:
    for path in (Path(__file__).parents[2] / "maild" / "web" / "static").iterdir():
        text = path.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(", text), path.name


def test_a_large_letter_is_read_and_its_attachment_comes_whole(office: Office) -> None:
    office.user("petra", (Role.READER, "kita"))
    attached = bytes(range(256)) * 8_000
    lines = base64.encodebytes(attached).decode()
    number = office.mail(
        "From: Petra <petra@citizen.example>\nTo: kita.platzvergabe@musterstadt.example\nSubject: Groß\n"
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nIm Anhang\n--b\n"
        'Content-Type: application/octet-stream\nContent-Disposition: attachment; filename="plan.bin"\n'
        f"Content-Transfer-Encoding: base64\n\n{lines}--b--\n"
    )
    with office.client("petra") as client:
        assert "Im Anhang" in client.get(f"/m/{shown_id(number)}").text
        assert client.get(f"/m/{shown_id(number)}/part/2").content == attached
