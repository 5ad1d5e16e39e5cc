"""The examples of the RFCs."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from maild.authentication.canonical import RELAXED, body_hash, read_mail
from maild.authentication.signing import SigningKey, signature_tags, signed_field
from maild.dns.answer import Kind
from tests.authentication.letters import results_of
from tests.authentication.zone import Zone

# RFC 8463, appendix A: one message, signed with both algorithms.
_BOTH = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")
_SEED = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
_KEYS = {
    "brisbane._domainkey.football.example.com": b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "test._domainkey.football.example.com": b"v=DKIM1; k=rsa; "
    b"p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6"
    b"NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvH"
    b"O9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
}
# RFC 6376, appendix A.2.
_SIMPLE = b"""\
DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
      4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game. Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")
_SIMPLE_KEY = (
    b"v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYf"
    b"cTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
)


async def test_the_message_that_is_signed_with_both_algorithms_passes() -> None:
    zone = Zone({name: {Kind.TXT: [record]} for name, record in _KEYS.items()}, secure=_KEYS)
    results = await results_of(_BOTH, zone)
    assert [(each.result, each.algorithm, each.key_bits, each.secure) for each in results] == [
        ("pass", "ed25519-sha256", 256, True),
        ("pass", "rsa-sha256", 1024, True),
    ]
    assert {each.domain for each in results} == {"football.example.com"}


async def test_the_example_with_simple_forms_passes() -> None:
    result = await results_of(_SIMPLE, Zone({"brisbane._domainkey.example.com": {Kind.TXT: [_SIMPLE_KEY]}}))
    assert [(each.result, each.reason) for each in result] == [("pass", "")]


async def test_the_private_key_of_the_example_signs_what_its_public_key_verifies() -> None:
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(_SEED))
    key = SigningKey("football.example.com", "brisbane", private)
    assert key.record.encode() == _KEYS["brisbane._domainkey.football.example.com"]
    content = _BOTH[_BOTH.index(b"From:") :]
    mail = read_mail(content)
    tags = signature_tags(
        body_hash(content, mail.body_start, RELAXED),
        key,
        now_s=1528637909,
        names=["from", "to"],
        forms=(RELAXED, RELAXED),
    )
    assert tags["bh"] == "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    signed = signed_field("DKIM-Signature", {"v": "1"} | tags, mail, key) + content
    (result,) = await results_of(signed, Zone({name: {Kind.TXT: [record]} for name, record in _KEYS.items()}))
    assert result.result == "pass"
