"""The words by which mail that hands over an account is known, German and English: who writes it, and what it says.

Whoever finds a service that `maild.mail.account_mail` does not recognise adds its words here. Every expression is
linear, and what CODE and LINK match lies within WORDS_REACH characters of a stem.
"""

from __future__ import annotations

import re
from typing import NamedTuple

WORDS_REACH = 90  # characters before a stem and behind its beginning


class Wording(NamedTuple):
    """What is said in many ways; both are for text in small letters.

    Every match of the pattern has one of the stems: where none is, nothing dear is asked.
    """

    stems: tuple[str, ...]
    pattern: re.Pattern[str]


# --- who writes ---------------------------------------------------------------------------------------------------

# No person has these names; behind the second ones there may be people who answer.
REPLIES = ("reply", "antwort", "response")
NO_REPLY = re.compile(
    r"(?:no|not|do.?not|keine?)[._-]?(?:reply|antwort\w{0,4}|response).{0,40}|.{0,40}[._+-](?:no|do.?not).?reply.{0,20}",
    re.IGNORECASE | re.DOTALL,
)
MACHINE = re.compile(
    r"(?:auto|automat\w{0,6}|mailer|notif\w{0,8}|benachrichtig\w{0,6}|accounts?|konto|kundenkonto|nutzerkonto|auth|"
    r"authentication|login|log-in|signin|sign-in|anmeldung|signup|sign-up|registration|registrierung|verif\w{0,10}|"
    r"confirm\w{0,6}|security|sicherheit|password|passwort|identity|appleid|sso|otp|2fa|invit\w{0,8}|einladung\w{0,2}|"
    r"system|portal|service|postmaster|root|daemon|cron|bounces?|mailings?|dcv|validation|ssl|certificates?)"
    r"(?:[._+-].{0,60})?",
    re.IGNORECASE | re.DOTALL,
)
# What programs that send for services add, and no program of a person's does.
MACHINE_FIELDS = frozenset(
    {"feedback-id", "x-feedback-id", "list-unsubscribe", "list-unsubscribe-post", "x-ses-outgoing", "x-mailgun-sid"}
    | {"x-sg-eid", "x-pm-message-id", "x-mandrill-user", "x-mj-mid", "x-csa-complaints", "x-auto-response-suppress"}
)
# Where people have their mailboxes. A service that has no mark of one does not write from there.
MAILBOXES = frozenset(
    {"gmx.de", "gmx.net", "web.de", "t-online.de", "freenet.de", "arcor.de", "posteo.de", "mailbox.org", "gmail.com"}
    | {"googlemail.com", "outlook.com", "outlook.de", "hotmail.com", "hotmail.de", "live.de", "yahoo.de", "yahoo.com"}
    | {"icloud.com", "me.com", "aol.com", "proton.me", "protonmail.com", "online.de", "vodafone.de", "1und1.de"}
)
PERSONS_FIELDS = frozenset({"in-reply-to", "references", "user-agent", "resent-from"})
ANSWER = re.compile(r"\s*(?:re|aw|antw|sv|fwd?|wg)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)
PERSON = re.compile(r"\b(?:ich|mir|mich|meine?[nmrs]?|i|i'm|i've|my|me)\b", re.IGNORECASE)

# --- what it says -------------------------------------------------------------------------------------------------

CODE = Wording(
    ("code", "pin", "tan", "otp", "passw", "kennwort", "schlüssel", "schluessel", "kennzahl", "key", "-id"),
    re.compile(
        r"(?:best(?:ä|ae)tigungs|verifi(?:zierungs|kations)|sicherheits|einmal|aktivierungs|freischalt(?:ungs)?|"
        r"authentifizierungs|anmelde|login|registrierungs|pr(?:ü|ue)f|zwei-?faktor-?|2fa-?)"
        r"[- ]?(?:code|pin|pass[wk]ort|kennwort|schl(?:ü|ue)ssel|tan|id)\b"
        r"|\b(?:verification|validation|authenti\w{1,8}|security|one[- ]?time|single[- ]use|(?:sign|log)[- ]?(?:in|up)|"
        r"activation|two[- ]factor|2fa|mfa|account|registration|e-?mail)[- ](?:code|pin|pass(?:word|code)|key)\b"
        r"(?! (?:scan|review|audit|analy|quality))"
        r"|\botp\b|\b(?:m|i|sms-?)?tan\b(?!-| ?(?:ja|dem))"
        r"|\b(?:your|ihr|dein)e?n? code\b|\bcode (?:to|for|zum|zur|you need to) (?:sign|log|verif|confirm|anmeld|best)"
        r"|\b(?:your|ihr|dein)e?n? (?!source|qr|zip|area|country|bar|error|fehler|bic|post|produ)[\w.]{2,20}[- ]code\b"
        r"|\b(?:ihr|dein)e?n? zugangscode\b|\b(?:ihre|deine|your) pin(?: lautet| ist| is|:)"
        r"|\b(?:geben sie|gib|verwenden sie|verwende|enter|use)[^\n]{0,20} (?:code|pin)\b"
        r"|\b(?:confirmation code|kennzahl|dcv (?:code|token))\b",
    ),
)
LINK = Wording(
    (
        "passwor", "kennwort", "bestätig", "bestaetig", "verif", "aktivier", "freischalt", "freizuschalt",
        "abschlie", "abzuschlie", "vervollst", "confirm", "validat", "activat", "authentic", "recovery",
        "registration", "sign", "account", "profile", "link", "invit", "einladung", "eingeladen", "certificate",
        "zertifikat", "konto wurde", "validier", "domain", "ownership", "instructions", "log in", "log-in",
    ),
    re.compile(
        r"(?:passwor[td]|kennwort)[^\n]{0,60}(?:zur(?:ü|ue)ck|vergessen|neu\b|vergeben|festlegen|setzen|w(?:ä|ae)hlen|reset|forgot)"
        r"|konto wurde (?:erstellt|angelegt)|account (?:has been|was) created"
        r"|zur(?:ü|ue)cksetz[^\n]{0,30} (?:passwor|kennwor)"
        r"|(?:neue[sn]?|eigene[sn]?) (?:passwort|kennwort)"
        r"|(?:reset|forgot\w{0,4}|choose|create|set|change|recover)[^\n]{0,20} password|password[- ](?:reset|recovery)"
        r"|(?:e-?mail|mail-?adresse|konto|account|registrierung|anmeldung|zugang)[^\n]{0,60}"
        r"(?:(?:best(?:ä|ae)tig|verifizier|aktivier)(?!t\b(?! werden))|freischalt|freizuschalt|abschlie|"
        r"abzuschlie|vervollst)"
        r"|best(?:ä|ae)tigen? (?:sie|dein|deine|ihr|ihre)\b[^\n]{0,40}(?:adresse|konto|registrierung|anmeldung|e-?mail)"
        r"|(?:verify|confirm|validate|activate|authenticate)(?!e?d\b)[^\n]{0,20} (?:e-?mail|account|address|"
        r"registration|identity|subscription|sign-?up|log-?in)"
        r"|e-?mail(?: address)? (?:verification|confirmation|validation)|account (?:verification|activation|recovery)"
        r"|(?:complete|finish)[^\n]{0,12} (?:registration|sign(?:ing)?[- ]?up|account|profile)"
        r"|(?:sign|log)[- ]?in[- ]?link|magic link|(?:anmelde|login|einmal|aktivierungs|best(?:ä|ae)tigungs|"
        r"registrierungs|einladungs)-?link|(?:link|button)[^\n]{0,40} (?:to (?:sign|log) in|anzumelden)"
        r"|(?:accept|join)[^\n]{0,12} invit\w{1,6}|invited you to|einladung[^\n]{0,20} (?:an)?(?:annehm|nehm)"
        r"|\b(?:zu|zum|zur|in|ins)\b[^\n]{0,60}\beingeladen"
        r"|(?:confirmation|password|unlock) instructions|^update your account\b"
        r"|^(?:sign|log)[- ]in to (?!view|see|read|check|download|pay)[^\n]{1,40}(?=\n|$)"
        r"|(?:prove|verify|confirm|validate)[^\n]{0,40} (?:domain|ownership)\b"
        r"|domain[- ](?:ownership|verification|approval)"
        r"|domain(?: control)? validation|validation of (?:the|your) domain|(?:approve|order)[^\n]{0,30} certificate|"
        r"zertifikat[^\n]{0,30}(?:best(?:ä|ae)tig|freigeb)|best(?:ä|ae)tig[^\n]{0,40} zertifikat|domain-?validierung"
        r"|\bconfirm [0-9a-f]{12,}",
    ),
)  # fmt: skip
# Codes of other kinds: of what was bought or booked, of a meeting.
OTHER_CODES = re.compile(
    r"gutschein|rabatt|discount|voucher|coupon|promo|booking|buchung|reservation|reservierung|flight|itinerary|"
    r"bestell(?:ung|nummer)|your order|versand|shipment|sendung|abhol|pickup|meeting|besprechung|konferenz|conference|"
    r"webinar|kundennummer|vorgangs(?:nummer|zeichen)|aktenzeichen",
    re.IGNORECASE,
)
WEAK = re.compile(
    r"best(?:ä|ae)tigungs|confirmation code|\bcode\b|kennzahl|e-?mail code|security code|sicherheitscode|account|"
    r"zugangscode|\bpin\b",
    re.IGNORECASE,
)
# What people are invited to that is no account.
EVENTS = re.compile(
    r"poll|umfrage|abstimmung|termin|besprechung|meeting|webinar|event|veranstaltung|sitzung|konferenz|conference|feier|"
    r"fest\b|seminar|workshop|call\b",
    re.IGNORECASE,
)
INVITED = re.compile("invit|eingeladen|einladung")
ACCOUNT_URL = re.compile(
    r"reset|passwor|kennwort|verif|confirm|bestaetig|best%c3%a4tig|activat|aktivier|freischalt|regist|sign-?(?:up|in)|"
    r"log-?in|invit|einlad|magic|token|auth|otp|account|konto|validat|approv|optin|opt-in|onboard|join",
    re.IGNORECASE,
)
