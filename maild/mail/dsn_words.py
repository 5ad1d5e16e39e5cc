"""The words of delivery reports for people: German and English."""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail.dsn import REASONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """All that a report says in one language; by kind of report, by action, and by reason."""

    system: str  # ASCII: it stands in From
    subject: dict[str, str]  # ASCII
    opening: dict[str, str]
    closing: dict[str, str]
    action: dict[str, str]
    reason: dict[str, str]
    about: str
    because: str
    said: str
    until: str
    day: str  # strftime


_GERMAN = Words(
    system="Postamt",
    subject={
        "failed": "Nicht zugestellt: Ihre Nachricht",
        "delayed": "Noch nicht zugestellt: Ihre Nachricht",
        "delivered": "Zugestellt: Ihre Nachricht",
    },
    opening={
        "failed": "Ihre Nachricht konnte nicht zugestellt werden.",
        "delayed": "Ihre Nachricht ist noch nicht zugestellt. Wir versuchen es weiter; Sie müssen nichts tun.",
        "delivered": "Ihre Nachricht ist angekommen, soweit wir es sehen können.",
    },
    closing={
        "failed": "Wir versuchen es nicht weiter. Der Kopf Ihrer Nachricht liegt bei.",
        "delayed": "Bitte senden Sie die Nachricht nicht noch einmal. Ihr Kopf liegt bei.",
        "delivered": "Sie hatten um diese Bestätigung gebeten. Der Kopf Ihrer Nachricht liegt bei.",
    },
    action={
        "failed": "nicht zugestellt",
        "delayed": "noch nicht zugestellt",
        "delivered": "zugestellt",
        "relayed": "an einen Server übergeben, der Zustellungen nicht bestätigt",
        "expanded": "an die Mitglieder eines Verteilers weitergegeben",
    },
    reason={
        "user-unknown": "Dieses Postfach gibt es nicht.",
        "user-disabled": "Dieses Postfach nimmt keine Nachrichten an.",
        "moved": "Der Empfänger hat inzwischen eine andere Adresse.",
        "mailbox-full": "Das Postfach ist voll.",
        "host-unknown": "Diese Domain gibt es nicht, oder sie nimmt keine Nachrichten an.",
        "unreachable": "Der andere Server war nicht zu erreichen.",
        "expired": "Es wurde tagelang vergeblich versucht.",
        "size": "Die Nachricht ist zu groß.",
        "content": "Nachrichten oder Dateien dieser Art werden dort nicht angenommen.",
        "virus": "Die Nachricht wurde dort für schädlich gehalten.",
        "spam": "Die Nachricht wurde dort für unerwünschte Werbung gehalten.",
        "blocked": "Der sendende Server steht auf einer Sperrliste.",
        "auth": "Die Herkunft der Nachricht konnte dort nicht bestätigt werden.",
        "policy": "Der andere Server lehnt die Nachricht nach seinen Regeln ab.",
        "relay": "Der andere Server ist für diese Adresse nicht zuständig.",
        "sender": "Der andere Server lehnt die Absenderadresse ab.",
        "rate": "Der andere Server nimmt zur Zeit nicht so viele Nachrichten an.",
        "list": "Die Mailingliste nimmt von diesem Absender nichts an.",
        "loop": "Die Nachricht lief im Kreis.",
        "protocol": "Die beiden Server haben einander nicht verstanden.",
        "system": "Der andere Server hat eine Störung.",
        "unknown": "Der andere Server nennt keinen Grund, den wir verstehen.",
    },
    about="Betreff: {}",
    because="Grund:",
    said="Der andere Server sagte:",
    until="Wir versuchen es bis zum {}.",
    day="%d.%m.%Y, %H:%M Uhr",
)

_ENGLISH = Words(
    system="Mail Office",
    subject={
        "failed": "Not delivered: your message is returned",
        "delayed": "Delayed: your message is still on its way",
        "delivered": "Delivered: your message",
    },
    opening={
        "failed": "Your message could not be delivered.",
        "delayed": "Your message has not been delivered yet. We keep trying; you need not do anything.",
        "delivered": "Your message has arrived, as far as we can see.",
    },
    closing={
        "failed": "We have given up. The header of your message is attached.",
        "delayed": "Please do not send it again. The header of your message is attached.",
        "delivered": "You had asked for this confirmation. The header of your message is attached.",
    },
    action={
        "failed": "not delivered",
        "delayed": "not delivered yet",
        "delivered": "delivered",
        "relayed": "handed to a server that does not confirm deliveries",
        "expanded": "passed on to the members of a list",
    },
    reason={reason: f"{words[:1].upper()}{words[1:]}." for reason, words in REASONS.items()},
    about="Subject: {}",
    because="Reason:",
    said="The other server said:",
    until="We try until {}.",
    day="%Y-%m-%d %H:%M",
)


def words_of(language: str) -> Words:
    """Return the words of a language; English for one that has none."""
    return _GERMAN if language == "de" else _ENGLISH
