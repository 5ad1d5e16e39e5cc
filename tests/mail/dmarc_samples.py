"""Reports about domains as receivers write them: in the form of RFC 9990, in the older one, and with their quirks."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from typing import Any

BEGIN = 1_789_862_400  # 2026-09-20, the day before the clock of the tests
END = BEGIN + 86_399


def record(
    ip: str = "192.0.2.7",
    number: object = 3,
    *,
    dkim: str = "pass",
    spf: str = "fail",
    disposition: str = "none",
    header_from: str = "musterstadt.example",
    signer: str = "stadtwerke.example",
    reason: str = "",
) -> str:
    """Return one record."""
    why = f"<reason><type>{reason}</type><comment>c</comment></reason>" if reason else ""
    return (
        f"<record><row><source_ip>{ip}</source_ip><count>{number}</count><policy_evaluated>"
        f"<disposition>{disposition}</disposition><dkim>{dkim}</dkim><spf>{spf}</spf>{why}</policy_evaluated></row>"
        f"<identifiers><envelope_from>b.example</envelope_from><header_from>{header_from}</header_from></identifiers>"
        f"<auth_results><dkim><domain>{signer}</domain><selector>s1</selector><result>{dkim}</result></dkim>"
        f"<spf><domain>bounce.{signer}</domain><scope>mfrom</scope><result>{spf}</result></spf></auth_results></record>"
    )


def feedback(
    *records: str,
    domain: str = "musterstadt.example",
    organisation: str = "grosse-post.example",
    report: str = "r-1",
    begin: object = BEGIN,
    end: object = END,
    namespace: str = ' xmlns="urn:ietf:params:xml:ns:dmarc-2.0"',
) -> bytes:
    """Return a report in the form of RFC 9990; without `namespace` in that of RFC 7489."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<feedback{namespace}><version>1.0</version>'
        f"<report_metadata><org_name>{organisation}</org_name><email>noreply@{organisation}</email>"
        f"<report_id>{report}</report_id><date_range><begin>{begin}</begin><end>{end}</end></date_range>"
        f"</report_metadata><policy_published><domain>{domain}</domain><discovery_method>treewalk</discovery_method>"
        f"<adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><testing>n</testing></policy_published>"
        f"{''.join(records)}</feedback>\n"
    ).encode()


def tls(**policy: Any) -> dict[str, Any]:
    """Return a report about TLS; `policy` replaces members of its only policy."""
    return {
        "organization-name": "Große Post",
        "date-range": {"start-datetime": "2026-09-20T00:00:00Z", "end-datetime": "2026-09-20T23:59:59Z"},
        "contact-info": "tls@grosse-post.example",
        "report-id": "t-1",
        "policies": [
            {
                "policy": {
                    "policy-type": "sts",
                    "policy-string": ["version: STSv1"],
                    "policy-domain": "musterstadt.example",
                },
                "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 4},
                "failure-details": [
                    {
                        "result-type": "certificate-expired",
                        "sending-mta-ip": "2001:db8:0::abcd",
                        "receiving-mx-hostname": "mx1.musterstadt.example",
                        "failed-session-count": 3,
                    },
                    {"result-type": "starttls-not-supported", "failed-session-count": 1},
                ],
                **policy,
            }
        ],
    }


def zipped(octets: bytes, name: str = "report.xml") -> bytes:
    """Return octets in a zip file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, octets)
    return file.getvalue()


def mail(
    *parts: tuple[str, str, bytes],
    subject: str = "Report Domain: musterstadt.example Submitter: grosse-post.example Report-ID: <r-1>",
    fields: str = "",
) -> bytes:
    """Return a mail with parts of (media type, file name or "", octets)."""
    head = (
        "From: DMARC <noreply@grosse-post.example>\r\nTo: postmaster@musterstadt.example\r\n"
        f"Subject: {subject}\r\n{fields}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nThis is a report.\r\n"
    )
    return head.encode() + b"".join(_part(*each) for each in parts) + b"--b--\r\n"


def _part(media_type: str, name: str, octets: bytes) -> bytes:
    named = f'\r\nContent-Disposition: attachment; filename="{name}"' if name else ""
    return (
        f"--b\r\nContent-Type: {media_type}{named}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode()
        + base64.encodebytes(octets)
    )


NAME = f"grosse-post.example!musterstadt.example!{BEGIN}!{END}"


def dmarc_mail(octets: bytes | None = None, **more: str) -> bytes:
    """Return the mail that most receivers send: gzip in one attachment."""
    packed = gzip.compress(feedback(record()) if octets is None else octets)
    return mail(("application/gzip", f"{NAME}.xml.gz", packed), **more)


def tls_mail(said: object = None) -> bytes:
    """Return the mail that RFC 8460 describes."""
    packed = gzip.compress(json.dumps(tls() if said is None else said).encode())
    fields = "TLS-Report-Domain: musterstadt.example\r\nTLS-Report-Submitter: grosse-post.example\r\n"
    return mail(("application/tlsrpt+gzip", f"{NAME}.json.gz", packed), fields=fields)
