"""Mails that hand over an account, and mails that look a little like them: written for the tests, none is anybody's."""

from __future__ import annotations

import base64
import quopri
from typing import NamedTuple

TO = "info@musterstadt.example"


class Sample(NamedTuple):
    """One mail. `kind` is how its body is written."""

    name: str
    sender: str
    subject: str
    text: str
    kind: str = "plain"  # plain | html | qp | base64 | both
    fields: tuple[str, ...] = ()

    @property
    def octets(self) -> bytes:
        """The whole mail, with CRLF."""
        head = [f"From: {self.sender}", f"To: {TO}", f"Subject: {self.subject}", f"Message-ID: <{self.name}@x.example>",
                "Date: Mon, 1 Jun 2026 10:00:00 +0200", "MIME-Version: 1.0", *self.fields]  # fmt: skip
        body = self._body()
        return "\r\n".join([*head, *body]).replace("\r\n", "\n").replace("\n", "\r\n").encode() + b"\r\n"

    def _body(self) -> list[str]:
        text = self.text
        if self.kind == "plain":
            return ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", "", text]
        if self.kind == "qp":
            coded = quopri.encodestring(text.encode()).decode()
            return ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: quoted-printable", "", coded]
        if self.kind == "base64":
            coded = base64.encodebytes(text.encode()).decode()
            return ["Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: base64", "", coded]
        if self.kind == "html":
            return ["Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: 8bit", "", text]
        return [
            'Content-Type: multipart/alternative; boundary="b"', "", "--b",
           "Content-Type: text/plain; charset=utf-8", "",
            "Bitte öffnen Sie diese Nachricht in einem Programm, das HTML zeigt.", "--b",
            "Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: 8bit", "", text, "--b--",
        ]  # fmt: skip


_URL = "https://dienst.example"
_WIDE = "".join(chr(ord(c) + 0xFEE0) if c > " " else c for c in "Your security code: 481207\n")
_TOKEN = "9f8a7c6b5d4e3f2a1b0c9d8e7f6a5b4c"

ARE = (
    Sample("slack-code", "Slack <no-reply@slack.example>", "Slack confirmation code: ABC-D1F",
           "Confirm your email address\nHere is your confirmation code. Enter it in your browser.\n\nABC-D1F\n"),
    Sample("bestaetigungscode", "Dienst <noreply@dienst.example>", "Ihr Bestätigungscode",
           "Guten Tag,\n\nIhr Bestätigungscode lautet:\n\n482913\n\nEr gilt 10 Minuten.\n", "qp"),
    Sample("einmalcode", "Portal <keine-antwort@portal.example>", "Anmeldung am Portal",
           "Ihr Einmalcode für die Anmeldung: 771 204\nGeben Sie ihn niemandem weiter.\n"),
    Sample("code-lautet", "Konto <konto@laden.example>", "Anmeldung", "Ihr Code lautet 55413.\n"),
    Sample("tan", "Bank <service@bank.example>", "Ihre TAN", "Ihre TAN lautet 204981. Nur für diesen Vorgang.\n",
           "plain",
           ("Auto-Submitted: auto-generated",)),
    Sample("subject-code", "Chat <chat@chat.example>", "Your code is 123456",
           "Use it to sign in. It expires soon.\n", "plain",
           ("Auto-Submitted: auto-generated",)),
    Sample("otp", "Cloud <notifications@cloud.example>", "Sign in to Cloud", "Your one-time code is 83 41 07\n"),
    Sample("google-like", "Google <no-reply@accounts.suche.example>", "Verification code",
           "Your verification code is G-482913.\n"),
    Sample("verify-link", "Forum <noreply@forum.example>", "Please verify your email",
           f"Welcome! Verify your email address:\n{_URL}/verify?token={_TOKEN}\n"),
    Sample("reset-en", "Shop <support@shop.example>", "Reset your password",
           f"Somebody asked for a new password. Reset it here:\n\n{_URL}/password/reset/{_TOKEN}\n"),
    Sample("reset-de", "Laden <noreply@laden.example>", "Passwort zurücksetzen",
           f"Hallo,\nklicken Sie auf den Link, um ein neues Passwort zu vergeben:\n{_URL}/neu?t={_TOKEN}\n", "qp"),
    Sample("reset-html", "Laden <noreply@laden.example>", "Zugang",
           f'<html><head><style>p{{}}</style></head><body><p>Sie haben Ihr Passwort vergessen?</p><table><tr><td>'
           f'<a style="x" href="{_URL}/reset?key={_TOKEN}">Neues Passwort vergeben</a></td></tr></table>', "html"),
    Sample("magic-html", "Design <hello@mail.design.example>", "Your sign-in link",
           f'<p>Tap to sign in.</p><p><a href="{_URL}/magic/{_TOKEN}">Sign in</a></p>', "base64",
           ("Feedback-ID: 1:2:3",)),
    Sample("alternative", "Tafel <do-not-reply@tafel.example>", "E-Mail-Adresse bestätigen",
           f'<p>Bitte bestätigen Sie Ihre E-Mail-Adresse.</p><a href="{_URL}/confirm/{_TOKEN}">Bestätigen</a>', "both"),
    Sample("tracked", "Werk <noreply@werk.example>", "Willkommen bei Werk",
           f'<p>Aktivieren Sie Ihr Konto:</p><p>Konto aktivieren</p>'
           f'<a href="https://click.werk.example/ls/click?upn={_TOKEN}">Weiter</a>', "both"),
    Sample("invitation", "Board <invitations@board.example>", "Max has invited you to join Board",
           f"Accept the invitation and finish your registration:\n{_URL}/invite/{_TOKEN}\n"),
    Sample("einladung", "Cloud <einladung@cloud.example>", "Sie wurden zum Projekt Rathaus eingeladen",
           f"Einladung annehmen: {_URL}/einladung?code={_TOKEN}\n"),
    Sample("homoglyphs", "X <noreply@x.example>", "V\u0435rify y\u043eur \u0430ccount",
           "Your v\u0435rific\u0430tion c\u043ede: 90\u200b4\u200b117\n"),
    Sample("null-path", "Ticket <helpdesk@hersteller.example>", "Activate your account",
           f"Activate your account: {_URL}/activate/{_TOKEN}\n", "plain", ("Precedence: bulk",)),
    Sample("certificate", "CA <validation@ca.example>", "Domain control validation for musterstadt.example",
           f"Approve this certificate request:\n{_URL}/approve?code={_TOKEN}\n"),
    Sample("list-confirm", "liste-request@liste.example", "E-Mail-Adresse bestätigen: Liste Rathaus",
           f"Bestätigen Sie Ihre Anmeldung:\n{_URL}/confirm/liste/{_TOKEN}\n", "plain",
           ("List-Id: <liste.liste.example>",)),
    Sample("person-name", "Anna von Startup <anna@startup.example>", "Verify your email",
           f"Welcome aboard!\n{_URL}/verify-email?token={_TOKEN}\n"),
    Sample("fullwidth", "X <noreply@x.example>", "Code", _WIDE),
    Sample("aktivierungs-id", "Portal <portal@steuer.example>", "Ihre Registrierung",
           "Ihre Aktivierungs-ID: 48120733\nSchließen Sie damit die Registrierung ab.\n", "qp"),
    Sample("alnum", "Spiel <accounts@spiel.example>", "Login", "Your login code: 7KQ4M\n"),
    Sample("wordpress", "WordPress <wordpress@verein.example>", "[Verein] Zurücksetzen des Passworts",
           f"Jemand hat es angefordert:\n{_URL}/wp-login.php?action=rp&key={_TOKEN}&login=info\n"),
    Sample("nextcloud", "Cloud <cloud@kreis.example>", "Passwort setzen",
           f"{_URL}/lostpassword/reset/form/{_TOKEN}/rathaus\n"),
    Sample("mailman", "liste-confirm+abc@listen.example", f"confirm {_TOKEN}", f"{_URL}/confirm/liste/{_TOKEN}\n"),
    Sample("enter-code", "Amt <no-reply@amt.example>", "Bestätigen Sie Ihre E-Mail-Adresse",
           "Bitte geben Sie den Code A7K-9QX ein.\n", "qp"),
    Sample("zertifikat", "CA <noreply@ca.example>", "Domain-Validierung: musterstadt.example",
           f"Bitte bestätigen Sie die Ausstellung des Zertifikats: {_URL}/approve?token={_TOKEN}\n"),
    Sample("dcv-code", "CA <noreply@ca.example>", "ORDER #48291377 - Domain Control Validation for musterstadt.example",
           f"Please browse here {_URL}/dcv?orderNumber=48291377 and enter the following validation code:\n"
           "qW7eR9tY2uI4oP6aS8dF\n"),
    Sample("ownership", "CA <validation@ca.example>", "Action needed for musterstadt.example",
           f"Prove that you control this domain:\n{_URL}/link/validate.php?t={_TOKEN}\n"),
    Sample("messenger", "Bote <noreply@bote.example>", "Bote code 482-913",
           "Your Bote code: 482-913\nDon't share this code with others.\n"),
    Sample("messenger-de", "Bote <noreply@bote.example>", "Dein Bote-Code: 482-913", "Teile ihn nicht.\n"),
    Sample("picture", "Bild <security@mail.bild.example>", "482913 ist dein Bild-Code",
           "Jemand hat versucht, sich anzumelden. Verwende diesen Code: 482913\n"),
    Sample("this-pin", "Netz <security-noreply@netz.example>", "Hier ist Ihre PIN",
           "Verwenden Sie diese PIN: 482913, um Ihr Konto zu verifizieren.\n"),
    Sample("guard", "Spiele <noreply@spiele.example>", "Your account: access from a new computer",
           "Here is the code you need to login to your account:\n\nK7QX2\n"),
    Sample("fragment", "KI <no-reply@mail.ki.example>", "Secure link to log in to KI",
           f'<a href="{_URL}/magic-link#{_TOKEN}:aW5mbw">Sign in</a>', "html"),
    Sample("sign-in-to", "Lesen <noreply@lesen.example>", "Sign in to Lesen",
           f'<p>Click and confirm that you want to sign in.</p><a href="{_URL}/m/callback?token={_TOKEN}">Sign in</a>',
           "html"),
    Sample("du", "Forum <noreply@forum.example>", "[Forum] Bestätige dein neues Benutzerkonto",
           f"Klicke hier: {_URL}/u/activate-account/{_TOKEN}\n"),
    Sample("instructions", "Code <code@mg.code.example>", "Confirmation instructions",
           f'<p>Welcome!</p><a href="{_URL}/users/confirmation?confirmation_token={_TOKEN}">Confirm</a>', "html"),
    Sample("idp", "Anmeldung <idp@it.example>", "Update Your Account",
           f"Your administrator has asked for it: {_URL}/realms/x/login-actions/action-token?key={_TOKEN}\n"),
    Sample("validation-code", "no_reply@zert.example", "Musterstadt", "Your validation code: 7K2P9Q4M\n"),
    Sample("first-password", "Portal <noreply@portal.example>", "Ihr Zugang",
           "Benutzername: info\nIhr Einmalpasswort: Xk7pQ2mZ\n"),
)  # fmt: skip

ARE_NOT = (
    Sample("booking", "Fahrplan <noreply@bahn.example>", "Buchungsbestätigung Auftrag 482913",
           "Ihr Bestätigungscode für die Buchung: X7K2P9\n"),
    Sample("poll", "Umfrage <no-reply@umfrage.example>", "Max invited you to a poll",
           f"Vote: {_URL}/meeting/participate/id/{_TOKEN}\n"),
    Sample("talk", "Meet <noreply@meet.example>", "Sie wurden zur Besprechung eingeladen",
           f"{_URL}/l/meetup-join/{_TOKEN}\n"),
    Sample("scan", "CI <ci@code.example>", "Projekt: Security code scanning failed (4829137)",
           f"{_URL}/jobs/{_TOKEN}\n",
           "plain", ("Auto-Submitted: auto-generated",)),
    Sample("forgotten-de", "Petra Muster <petra@buerger.example>", "Passwort vergessen",
           "Guten Tag,\nich habe mein Passwort für das Bürgerportal vergessen. Können Sie es zurücksetzen?\n"
           "Meine Kundennummer ist 482913.\n"),
    Sample("forgotten-en", "Joe <joe@citizen.example>", "Password reset does not work",
           f"Hello, I tried to reset my password, but the link {_URL}/reset?token={_TOKEN} says expired.\n"),
    Sample("citizen-code", "Petra <petra@buerger.example>", "Bestätigungscode kommt nicht an",
           "Ich warte auf den Bestätigungscode. Gestern kam 482913, der ging nicht.\n"),
    Sample("citizen-forwards", "Petra <petra@buerger.example>", "Fwd: Ihr Bestätigungscode",
           "Was ist das?\n\n-------- Weitergeleitete Nachricht --------\nVon: noreply@dienst.example\n\n"
           "Ihr Bestätigungscode lautet 482913\n"),
    Sample("citizen-wg", "Hans <hans@firma.example>", "WG: Reset your password",
           f"\n\nReset your password: {_URL}/reset?token={_TOKEN}\n"),
    Sample("reply", "Service <service@firma.example>", "AW: Passwort zurücksetzen für das Portal",
           f"Guten Tag, das Passwort können Sie hier neu vergeben: {_URL}/reset?token={_TOKEN}\n", "plain",
           ("In-Reply-To: <a@musterstadt.example>",)),
    Sample("newsletter-de", "Verlag <newsletter@verlag.example>", "10 Tipps: So wählen Sie ein sicheres Passwort",
           "Ein neues Passwort sollte lang sein.\nhttps://click.verlag.example/ls/click?upn=" + _TOKEN + "\n"
           "Die besten Angebote 2026: 4990 Stück verkauft.\n", "plain",
           ("List-Id: <n.verlag.example>", "List-Unsubscribe: <https://verlag.example/u>")),
    Sample("newsletter-code", "Mode <news@mode.example>", "20 % mit Ihrem Code",
           "Ihr Code lautet SOMMER26. Gutschein einlösen: https://mode.example/c?id=" + _TOKEN + "\n", "html",
           ("List-Unsubscribe: <mailto:u@mode.example>",)),
    Sample("order-de", "Laden <noreply@laden.example>", "Ihre Bestellung 48291377",
           f"Vielen Dank für Ihre Bestellung.\nBestellnummer: 48291377\n{_URL}/bestellung/{_TOKEN}\n"),
    Sample("order-en", "Shop <no-reply@shop.example>", "Order confirmation 482913",
           f"Thank you. Order number 482913, total 1299.00 EUR.\nTrack it: {_URL}/track?id={_TOKEN}\n", "html"),
    Sample("flight", "Air <noreply@air.example>", "Booking confirmation",
           "Your booking. Confirmation code: X7K2P9\nFlight 482 on 2026-06-01.\n"),
    Sample("parcel", "Paket <noreply@paket.example>", "Ihre Sendung kommt",
           "Abholcode 4829, Sendung 00340434161094042557.\n"),
    Sample("out-of-office", "Kollegin <kollegin@kreis.example>", "Abwesend: Ihre Anfrage",
           "Ich bin bis 30.06.2026 nicht im Haus. Telefon 0800 1234567.\n", "plain", ("Auto-Submitted: auto-replied",)),
    Sample("out-of-office-en", "Colleague <c@firm.example>", "Automatic reply: Reset your password",
           "I am away until 12 June 2026 and will not read your mail.\n", "plain", ("Auto-Submitted: auto-replied",)),
    Sample("meeting", "Meet <no-reply@meet.example>", "Einladung: Haushaltsausschuss",
           f"Meeting-ID: 482 913 772\nKenncode: 918273\n{_URL}/j/48291377?pwd={_TOKEN}\n"),
    Sample("invoice", "Rechnung <rechnung@energie.example>", "Ihre Rechnung 2026-4829",
           "Ihr Vertragskonto 4829137722. Betrag 120,00 EUR. Bitte überweisen Sie bis 30.06.2026.\n"),
    Sample("monitoring", "Monitor <root@server.example>", "cron: backup finished",
           "483920 files, 4829137 kB, exit code 0\n"),
    Sample("form", "Formular <noreply@musterstadt.example>", "Kontaktformular: Kita",
           "Name: Petra\nTelefon: 0123 456789\nNachricht: Mein Konto im Kitaportal ist gesperrt.\n"),
    Sample("ticket", "Support <support@hersteller.example>", "[Ticket 482913] Frage zur Lizenz",
           "Guten Tag, Ihre Anfrage 482913 ist eingegangen.\n", "plain", ("Auto-Submitted: auto-replied",)),
    Sample("event", "Verein <info@verein.example>", "Einladung zum Sommerfest",
           "Sie sind herzlich eingeladen. Beginn 18:00 Uhr, 30.06.2026, Saal 4829.\n"),
    Sample("changed", "Cloud <noreply@cloud.example>", "Ihr Passwort wurde geändert",
           "Ihr Passwort wurde am 01.06.2026 geändert. Waren Sie das nicht? Rufen Sie uns an.\n"),
    Sample("footer", "Amt <noreply@kreis.example>", "Sitzungsunterlagen",
           f"Die Unterlagen liegen bereit: {_URL}/dokument/{_TOKEN}\n"
           + "Tagesordnung Punkt 1\n" * 60 + "Passwort vergessen? Wenden Sie sich an die IT.\n"),
    Sample("citizen-link", "Petra <petra@buerger.example>", "E-Mail-Adresse bestätigen",
           f"Hallo, ich bekomme immer diese Seite: {_URL}/confirm/{_TOKEN} und komme nicht weiter.\n"),
    Sample("bounce", "Mail Delivery Subsystem <mailer-daemon@x.example>", "Undelivered Mail Returned to Sender",
           f"Your message could not be delivered.\n\nReset your password: {_URL}/reset?token={_TOKEN}\n"),
    Sample("discussion", "Max <max@liste.example>", "Security code review 2026",
           f"Here are the results of the security code review: {_URL}/review/{_TOKEN}\n", "plain",
           ("List-Id: <dev.liste.example>", "User-Agent: Thunderbird")),
    Sample("tan-news", "Bank <noreply@bank.example>", "Neue TAN-Verfahren ab 2027",
           "Ab 01.01.2027 gilt das neue TAN-Verfahren. Rufen Sie 0800 4829137 an.\n"),
    Sample("telephone", "Labor <noreply@labor.example>", "Ihr Befund",
           "Ihr Zugangscode wird Ihnen gesagt, Telefon 0123 482913.\n"),
    Sample("file-number", "Kreis <ticket@kreis.example>", "[Vorgangsnummer 2026-482913] Ihre Anfrage",
           "Bitte geben Sie bei Rückfragen den Code im Betreff an.\n", "plain", ("Auto-Submitted: auto-replied",)),
    Sample("application", "Formular <noreply@musterstadt.example>", "Online-Antrag: Hund",
           f"Die Anmeldung wurde bestätigt.\nUnterlagen: {_URL}/antrag/download/{_TOKEN}\nVorgang 4829137\n"),
    Sample("done", "Cloud <noreply@cloud.example>", "Willkommen",
           f"You have confirmed your email address.\nNews: {_URL}/n/{_TOKEN}\n"),
    Sample("freemail", "Petra <petra@gmx.de>", "Bestätigungscode", "Der Bestätigungscode lautet 482913 laut Brief.\n"),
    Sample("freemail-account", "Petra <konto.petra@web.de>", "Zugang",
           "Guten Tag, Ihr Code A7K-9QX wurde abgelehnt. Gruß, Petra\n"),
    Sample("conference-pin", "Kollege <k@kreis.example>", "Abwesend",
           "Bitte verwenden Sie für die Telefonkonferenz die PIN 482913.\n", "plain",
           ("Auto-Submitted: auto-replied",)),
    Sample("door", "Scanner <noreply@druck.example>", "Wartung",
           "Ihr QR-Code am Gerät: 482913. Ihr Fehler-Code 5517.\n"),
    Sample("bill", "Strom <noreply@strom.example>", "Log in to view your bill", f"{_URL}/bill?token={_TOKEN}\n"),
)  # fmt: skip
