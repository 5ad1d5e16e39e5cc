"""The settings about mail programs: where staff hand in what they write in Outlook or Thunderbird."""

from __future__ import annotations

from dataclasses import dataclass

from maild.config.kinds import BOOLEAN, ENDPOINTS, Endpoint, integer, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Mail programs of staff: they sign in with an application password, and write as a function address."""

    listen: tuple[Endpoint, ...] = setting(
        (),
        ENDPOINTS,
        'Where mail programs connect and then turn to TLS (STARTTLS), such as ["0.0.0.0:587", "[::]:587"]. Needs the '
        "certificate of `[tls]`, unless only this machine is listened to. Sockets that systemd passes under the name "
        "`submission` take precedence. Empty: nowhere.",
    )
    listen_tls: tuple[Endpoint, ...] = setting(
        (),
        ENDPOINTS,
        'Where mail programs connect with TLS from the start, such as ["0.0.0.0:465", "[::]:465"]; needs the '
        "certificate of `[tls]`. The PROXY protocol is not spoken here. Sockets that systemd passes under the name "
        "`submissions` take precedence. Empty: nowhere.",
    )
    strip_client_headers: bool = setting(
        True,
        BOOLEAN,
        "Remove what a letter tells of the machine it was written at (`Received`, `User-Agent`, `X-Mailer`, "
        "`X-Originating-IP` and the like). `Bcc`, `Sender` and a foreign `Reply-To` are always removed.",
    )
    recipients_per_hour: int = setting(
        200,
        integer(1, 1_000_000),
        "Recipients that one account may write to within an hour from mail programs; further ones are asked to come "
        "later (452). Counted anew when maild starts.",
    )
