"""What a member is told whose answer does not go out: a short letter, in the language of the organisation.

It names no citizen and quotes nothing: it goes to a mailbox outside.
"""

from __future__ import annotations

from maild.mail.member_answer import Why

_REASONS = {
    "de": {
        Why.SEVERAL: "Sie ging an mehrere Antwortadressen zugleich. Antworten Sie auf jede Kopie einzeln.",
        Why.EXPIRED: "Auf Kopien lässt sich 30 Tage lang antworten; diese ist älter.",
        Why.REVOKED: "Kopien sind für Sie und dieses Team abgeschaltet. Was davor kam, gilt nicht mehr.",
        Why.RIGHT: "Sie dürfen für dieses Team nicht mehr antworten, oder der Brief liegt nicht mehr dort.",
        Why.UNREADABLE: "Sie ist verschlüsselt oder so gebaut, dass sie sich nicht vollständig lesen ließ.",
        Why.EMPTY: "Außer Zitat und Signatur steht nichts darin.",
        Why.RECIPIENTS: "Sie ginge an eine Adresse, von der nicht geschrieben wurde. Das bestätigt jemand im Browser.",
        Why.FILE: "Ein Anhang enthält die Antwortadresse und darf nicht hinaus.",
        Why.LARGE: "Sie ist mit ihren Anhängen zu groß.",
        Why.COLLISION: "Jemand anderes hat inzwischen geantwortet.",
    },
    "en": {
        Why.SEVERAL: "It went to several reply addresses at once. Answer each copy on its own.",
        Why.EXPIRED: "Copies can be answered for 30 days; this one is older.",
        Why.REVOKED: "Copies are turned off for you and this team. What came before does not count any more.",
        Why.RIGHT: "You may not answer for this team any more, or the letter does not lie there any more.",
        Why.UNREADABLE: "It is encrypted, or built so that it could not be read whole.",
        Why.EMPTY: "There is nothing in it besides quotation and signature.",
        Why.RECIPIENTS: "It would go to an address that nobody wrote from. Somebody confirms that in the browser.",
        Why.FILE: "An attachment holds the reply address, and must not leave.",
        Why.LARGE: "It is too large with its attachments.",
        Why.COLLISION: "Somebody else has answered meanwhile.",
    },
}
_FRAMES = {
    "de": (
        "Nicht gesendet: Ihre Antwort zu {0}",
        (
            "Guten Tag,\n\nIhre Antwort zum Vorgang {0} wurde nicht gesendet.\n\n{1}\n\nIhr Text ist nicht verloren: "
            "Er liegt im Browser als Entwurf bei diesem Vorgang. Dort können alle, die für das Team antworten dürfen, "
            "ihn ansehen und senden.\n\nDiese Nachricht kommt von einem Programm. Antworten darauf liest niemand.\n"
        ),
    ),
    "en": (
        "Not sent: your answer about {0}",
        (
            "Hello,\n\nyour answer in the conversation {0} was not sent.\n\n{1}\n\nYour text is not lost: it is kept "
            "in the browser, as a draft in that conversation. There, whoever may answer for the team can look at it "
            "and send it.\n\nThis message comes from a program. Nobody reads answers to it.\n"
        ),
    ),
}
_CUT = {
    "de": ("Antwort per Mail (Nachricht {0}). Nicht mitgesendet: {1}.", "Zeilen Zitat: {0}",
           "Zeilen Signatur oder Fußzeile: {0}", "Bilder in Zitat oder Signatur: {0}"),
    "en": ("Answer by mail (message {0}). Not sent along: {1}.", "lines of quotation: {0}",
           "lines of signature or footer: {0}", "pictures in quotation or signature: {0}"),
}  # fmt: skip


def refusal_letter(language: str, reference: str, why: Why) -> tuple[str, str]:
    """Return subject and text of the letter that says why an answer does not go out."""
    subject, text = _FRAMES.get(language, _FRAMES["en"])
    reason = _REASONS.get(language, _REASONS["en"])[why]
    return subject.format(reference), text.format(reference, reason)


def note_of_cut(language: str, number: str, quoted: int, footer: int, pictures: int) -> str:
    """Return the note for colleagues about what of a mail did not go out; "" where all of it did."""
    words, *names = _CUT.get(language, _CUT["en"])
    counts = ((quoted, names[0]), (footer, names[1]), (pictures, names[2]))
    said = ", ".join(name.format(count) for count, name in counts if count)
    return words.format(number, said) if said else ""
