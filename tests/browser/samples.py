"""Letters as an office gets them, for looking at pages: long subjects, 200 letters, HTML, attachments."""

from __future__ import annotations

import base64
from textwrap import dedent

from maild.archive.accounts import find_user
from maild.archive.entries import StateChange, set_states
from maild.archive.handbook import Save, save_pages
from maild.archive.reports import Arrived
from maild.archive.reports import record as keep_reports
from maild.archive.team_texts import Save as TeamText
from maild.archive.team_texts import save_texts
from maild.mail.authentication import Verdicts
from maild.mail.dmarc_report import parse
from maild.mail.evidence import Arc, Dkim, Dmarc, Evidence, Spf
from maild.mail.ids import format_id
from maild.policy.roles import Role
from tests.archive.handled import act_on
from tests.mail.dmarc_samples import feedback, record
from tests.web.office import Office

_PDF = base64.b64encode(b"%PDF-1.4\n%sample\n" * 400).decode()

HTML = dedent("""\
    From: Bauträger Nord <planung@bautraeger.example>
    To: kita.platzvergabe@musterstadt.example
    Subject: Belegung der Betriebsplätze im kommenden Kitajahr
    Message-ID: <html@bautraeger.example>
    MIME-Version: 1.0
    Content-Type: text/html; charset=utf-8
    Content-Transfer-Encoding: 8bit

    <html><body style="font-family: Georgia">
    <h2 style="color:#0b5f6e">Betriebsplätze 2027</h2>
    <p>Sehr geehrte Damen und Herren,</p>
    <p>für das kommende Kitajahr melden wir folgenden <b>Bedarf</b>:</p>
    <table border="1" cellpadding="6"><tr><th>Standort</th><th>Plätze</th><th>ab</th></tr>
    <tr><td>Hafenstraße</td><td>12</td><td>August</td></tr><tr><td>Am Wall</td><td>8</td><td>September</td></tr></table>
    <p>Mit freundlichen Grüßen<br>Planung</p><img src="http://zaehler.example/pixel.gif"></body></html>
    """)

ATTACHED = dedent("""\
    From: =?utf-8?Q?J=C3=BCrgen_Schr=C3=B6der?= <j.schroeder@familie.example>
    To: kita.platzvergabe@musterstadt.example
    Cc: Leitung <leitung@kita-sonnenschein.example>
    Subject: Dringend: fehlende Unterlagen zum Antrag auf einen Krippenplatz in der Kita Sonnenschein ab dem
     ersten August, mit Nachweis der Berufstätigkeit beider Eltern und Impfbescheinigung
    Message-ID: <unterlagen@familie.example>
    MIME-Version: 1.0
    Content-Type: multipart/mixed; boundary=grenze

    --grenze
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: 8bit

    Guten Tag,

    anbei die Unterlagen, die Sie am Montag noch vermisst haben. Bitte bestätigen Sie kurz, dass jetzt alles
    vollständig ist; die Frist läuft am Freitag ab. Mehr steht auf https://www.musterstadt.example/kita.

    Mit freundlichen Grüßen
    Jürgen Schröder

    Am 3. Mai schrieb Kita-Platzvergabe:
    > Guten Tag Herr Schröder,
    > es fehlen noch der Nachweis der Berufstätigkeit und die Impfbescheinigung.
    > Bitte reichen Sie beides bis Freitag nach.

    --grenze
    Content-Type: application/pdf; name="Nachweis_Berufstätigkeit.pdf"
    Content-Disposition: attachment; filename*=utf-8''Nachweis%20Berufst%C3%A4tigkeit.pdf
    Content-Transfer-Encoding: base64

    PDF
    --grenze
    Content-Type: application/octet-stream; name="Impfpass.scr"
    Content-Disposition: attachment; filename="Impfpass.scr"
    Content-Transfer-Encoding: base64

    TVqQAAMAAAAEAAAA
    --grenze--
    """).replace("PDF\n", "\n".join(_PDF[i : i + 76] for i in range(0, len(_PDF), 76)) + "\n", 1)

_FAMILY = "familie.example"
PROVEN = Evidence(
    1_790_000_000_000,
    spf=Spf("softfail", "versand.familienpost-dienstleister.example", record="v=spf1 ip4:192.0.2.0/24 ~all"),
    dkim=(
        Dkim("pass", _FAMILY, "post2026", "ed25519-sha256", f"@{_FAMILY}", "3f" * 32, 256, secure=True),
        Dkim("permerror", "versand.familienpost-dienstleister.example", "s1", "rsa-sha1", reason="SHA-1 is refused"),
    ),
    arc=Arc("pass", ("liste.example",), verdicts=Verdicts(spf="pass", dkim="pass", dmarc="pass")),
    dmarc=Dmarc(
        "pass", _FAMILY, _FAMILY, _FAMILY, "reject", "v=DMARC1; p=reject; rua=mailto:dmarc@familie.example",
        dkim_aligned=True,
    ),
)  # fmt: skip
FORGED = Evidence(
    1_790_000_000_000, dmarc=Dmarc("fail", "bautraeger.example", policy="quarantine", record="v=DMARC1; p=quarantine")
)

DEEP = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(200))
SOURCE_ONLY = (
    b"From: Scanner <scanner@kopierer.example>\r\nTo: kita.platzvergabe@musterstadt.example\r\n"
    b"Subject: Scan vom Kopierer\r\nMIME-Version: 1.0\r\n" + DEEP + b"Content-Type: text/plain\r\n\r\nzu tief\r\n"
)

_LINES = (
    ("Frage zum Kitaplatz", "Petra Mustermann", "wann entscheidet sich, ob unsere Tochter im August anfangen kann?"),
    ("Ummeldung wegen Umzugs", "Familie Özdemir", "wir ziehen im Juni nach Musterstadt-Süd und brauchen einen Platz."),
    ("Beitragsbescheid unklar", "Anna Lindqvist", "im Bescheid steht ein anderer Betrag als im Rechner der Stadt."),
    ("Absage", "Tomasz Kowalski", "wir nehmen den angebotenen Platz nicht an, bitte geben Sie ihn weiter."),
    ("Öffnungszeiten in den Ferien", "Marie Dubois", "hat die Kita in der zweiten Ferienwoche geöffnet?"),
    ("Geschwisterkind", "Nguyen Thi Lan", "gibt es eine Ermäßigung für das zweite Kind?"),
    ("Eingewöhnung", "Kita Sonnenschein", "die Eingewöhnung der neuen Gruppe beginnt eine Woche später."),
)


def plain(subject: str, name: str, text: str, *, key: str, parent: str = "") -> str:
    """Write a plain letter."""
    mail = name.rsplit(maxsplit=1)[-1].lower().replace("ö", "oe").replace("ü", "ue")
    head = (
        f'From: "{name}" <{mail}@buerger.example>\nTo: kita.platzvergabe@musterstadt.example\n'
        f"Subject: {subject}\nMessage-ID: <{key}>\nMIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n"
    )
    return head + (f"In-Reply-To: <{parent}>\n" if parent else "") + f"\nGuten Tag,\n\n{text}\n\nViele Grüße\n{name}\n"


HANDBOOK = (
    ("Fristen", ("# Anmeldung\n\nBis zum **15. Januar** für das kommende Kitajahr.\n\n- Nachweise bis Ende Februar\n"
                "- Geschwister werden *zusammen* entschieden\n\nFragen dazu: [Rangfolge](/handbook/kita/rangfolge)")),
    ("Rangfolge", "Wer zuerst berücksichtigt wird, steht in der Satzung."),
)  # fmt: skip


TEXTS = (
    ("", "{user.name}\n{team.name}\n{organisation.name}\nMarktplatz 1, Zimmer 12, Telefon 0123 4567-51\n{team.hours}"),
    ("Nachweis fehlt", ("Guten Tag {sender.name},\n\nzu Ihrer Anmeldung (Zeichen {Aktenzeichen}) fehlt uns noch:\n\n"
                        "- ein Nachweis über Ihre Arbeitszeit\n- eine Kopie der Geburtsurkunde\n\n"
                        "Bitte schicken Sie beides bis **15. Januar**.")),
    ("Wartezeit", "Guten Tag,\n\nin der Regel entscheiden wir innerhalb von vier Wochen."),
)  # fmt: skip


def furnish(office: Office) -> dict[str, str]:
    """Fill an office with people and letters; returns references by name."""
    petra = office.user("petra", (Role.MANAGER, "kita"), (Role.READER, "poststelle"), (Role.RESPONDER, "mitglieder"),
                        (Role.RULE_EDITOR, None), (Role.AUDITOR, None),
                        name="Petra Maurer")  # fmt: skip
    office.user("jonas", (Role.RESPONDER, "kita"), name="Jonas Weiß")
    for login, name in (("emil", "Emil Sommer"), ("lea", "Lea Yilmaz"), ("ole", "Ole Petersen")):
        office.user(login, (Role.RESPONDER, "kita"), name=name)
    office.user("neu", name="Neue Kollegin")
    for title, text in HANDBOOK:
        save = Save(team="kita", page=title.lower(), base=0, title=title, address="", text=text, author="petra",
                    at_ms=office.clock() - 20 * 86_400_000)  # fmt: skip
        office.database.writer.submit(save_pages, save).result()
    for name, text in TEXTS:
        new = TeamText(team="kita", name=name, base=0, text=text, author="petra", at_ms=office.clock() - 86_400_000)
        office.database.writer.submit(save_texts, new).result()
    minute, day = 60, 86_400
    first = office.mail(plain("Warteliste", "Familie Brandt", "wie lang ist die Liste?", key="w0@b"), age_s=40 * day)
    for number in range(1, 200):
        text = f"unsere {number}. Nachfrage: hat sich auf der Warteliste etwas getan?"
        office.mail(
            plain("Re: Warteliste", "Familie Brandt", text, key=f"w{number}@b", parent=f"w{number - 1}@b"),
            age_s=40 * day - number * 4 * 3600,
        )
    for number in range(60):
        subject, name, text = _LINES[number % len(_LINES)]
        age_s = (9 - number // 8) * day + number * 11 * minute
        office.mail(plain(subject, name, text, key=f"l{number}@b"), age_s=age_s)
    found = {
        "long": first,
        "html": office.mail(HTML, age_s=3 * 3600),
        "deep": office.mail(SOURCE_ONLY, age_s=2 * 3600),
        "attached": office.mail(ATTACHED, age_s=25 * minute),
        "newest": office.mail(
            plain("Frage zum Kitaplatz", "Petra Mustermann", _LINES[0][2], key="newest@b"), age_s=5 * minute
        ),
        "info": office.mail(plain("Fundbüro", "Karl Kern", "ist mein Hut da?", key="hut@b"),
                            "info@musterstadt.example", age_s=day),
    }  # fmt: skip
    _report(office, found["info"])
    office.examine(found["attached"], PROVEN)
    office.examine(found["html"], FORGED)
    references = {name: office.reference(number) for name, number in found.items()}
    with office.database.read() as connection:
        jonas = find_user(connection, "jonas").id
        rows = connection.exec_driver_sql(
            "SELECT conversation_id FROM entries WHERE team = 'kita' ORDER BY newest_id DESC LIMIT 20"
        ).scalars()
        numbers = list(rows)
    for number, assignee in ((numbers[4], jonas), (numbers[6], petra), (numbers[9], petra)):
        act_on(office.database, number, "kita", assignee=assignee)
    for number in numbers[10:13]:
        waits = StateChange(conversation_id=number, team="kita", state="waiting")
        office.database.writer.submit(set_states, waits).result()
    return references | {"message": _shown(found["attached"]), "source": _shown(found["deep"])}


def _report(office: Office, message_id: int) -> None:
    """Put reports of a month about the town's domain on the shelf: its own mail, a mailing list's, a forger's."""
    day_s = 86_400
    today_s = office.clock.ms // 1000 // day_s * day_s
    found = []
    for number in range(1, 28):
        rows = (
            record("192.0.2.7", 300 + number * 37 % 400, signer="musterstadt.example"),
            record("2001:db8:85a3::8a2e:370:7334", 40 + number * 13 % 90, spf="pass", signer="rundbrief.example"),
            record("198.51.100.3", 1 + number % 5, dkim="fail", signer="liste.example", reason="mailing_list"),
            record("203.0.113.77", number * 7 % 41, dkim="fail", signer="x.example", disposition="quarantine"),
        )
        begin = today_s - number * day_s
        found.append(parse(feedback(*rows, report=f"r-{number}", begin=begin, end=begin + day_s - 1)))
    office.database.writer.submit(keep_reports, Arrived(message_id=message_id, dmarc=tuple(found))).result()


def _shown(number: int) -> str:
    return format_id(number)
