"""Reports as mail servers and providers write them, put together from the formats: for tests of who reads them."""

import json
from typing import Any

DELIVERY = "0b6f5c1e-8f6a-5d2b-9a43-1f2e3d4c5b6a/email:user:7"
MESSAGE_ID = "<0b6f5c1e8f6a5d2b9a431f2e3d4c5b6a.0123456789abcdef@mail.example.com>"


def dsn(*recipients: str, to: str = "bounces@mail.example.com", original: str = "", status_type: str = "") -> bytes:
    """A delivery status notification (RFC 3464). recipients: the fields of each recipient."""
    status = "\n\n".join(
        ["Reporting-MTA: dns; mx.example.net\nArrival-Date: Fri, 13 Mar 2026 09:00:00 +0000", *recipients]
    )
    returned = original or f"Message-ID: {MESSAGE_ID}\nX-Delivery-Id: {DELIVERY}\nSubject: Your turn\n"
    text = f"""From: Mail Delivery System <MAILER-DAEMON@mx.example.net>
To: {to}
Date: Fri, 13 Mar 2026 09:26:53 +0000
Message-ID: <20260313092653.AB12@mx.example.net>
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_b"

This is a MIME-encapsulated message.

--=_b
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--=_b
Content-Type: {status_type or "message/delivery-status"}

{status}

--=_b
Content-Type: message/rfc822

{returned}
It is your turn.
--=_b--
"""
    return text.encode()


def recipient(
    action: str = "failed", status: str = "5.1.1", diagnostic: str = "", address: str = "ann@example.net"
) -> str:
    """The fields of one recipient of a delivery status notification."""
    said = diagnostic or f"550 {status} <{address}>: Recipient address rejected: User unknown"
    return f"Final-Recipient: rfc822; {address}\nAction: {action}\nStatus: {status}\nDiagnostic-Code: smtp; {said}"


def arf(feedback: str = "abuse", original_from: str = "") -> bytes:
    """An abuse report (RFC 5965)."""
    text = f"""From: <feedback@isp.example.net>
To: <abuse@mail.example.com>
Date: Fri, 13 Mar 2026 10:00:00 +0000
Message-ID: <feedback-1@isp.example.net>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="arf"

--arf
Content-Type: text/plain

This is an abuse report.

--arf
Content-Type: message/feedback-report

Feedback-Type: {feedback}
User-Agent: SomeGenerator/1.0
Version: 1
{f"Original-Mail-From: {original_from}" if original_from else "Source-IP: 192.0.2.1"}

--arf
Content-Type: message/rfc822

Message-ID: {MESSAGE_ID}
X-Delivery-Id: {DELIVERY}

It is your turn.
--arf--
"""
    return text.encode()


def ses(kind: str, **told: Any) -> dict[str, Any]:
    """An event of Amazon SES. told: the fields of the object that its type has."""
    at = {"Rendering Failure": "failure", "DeliveryDelay": "deliveryDelay"}.get(kind, kind.lower())
    mail = {
        "timestamp": "2026-03-13T09:26:52.100Z",
        "source": "sender@mail.example.com",
        "messageId": "0100018f-ses-000000",
        "destination": ["ann@example.net"],
        "headers": [{"name": "X-Delivery-Id", "value": DELIVERY}, {"name": "Subject", "value": "Your turn"}],
        "commonHeaders": {"messageId": "<0100018f-ses-000000@email.amazonses.com>", "subject": "Your turn"},
        "tags": {"ses:configuration-set": ["mail"]},
    }
    return {"eventType": kind, "mail": mail, at: told}


def ses_bounce(
    kind: str = "Permanent", sub_kind: str = "General", status: str = "5.1.1", **told: Any
) -> dict[str, Any]:
    """A bounce that Amazon SES tells of."""
    bounced = {
        "emailAddress": "ann@example.net",
        "action": "failed",
        "status": status,
        "diagnosticCode": f"smtp; 550 {status} user ann@example.net unknown",
    }
    common = {"feedbackId": "0100018f-bounce", "timestamp": "2026-03-13T09:26:53.589Z", "bouncedRecipients": [bounced]}
    return ses("Bounce", bounceType=kind, bounceSubType=sub_kind, **common | told)


def sns(event: dict[str, Any]) -> dict[str, Any]:
    """A notification of Amazon SES as Amazon SNS sends it."""
    return {"Type": "Notification", "MessageId": "sns-1", "TopicArn": "arn:aws:sns:x", "Message": json.dumps(event)}


def postmark(kind: str, **fields: Any) -> dict[str, Any]:
    """A webhook's body as Postmark sends it."""
    common = {"RecordType": kind, "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Tag": "turn"}
    return common | {"Metadata": {"delivery_id": DELIVERY}, "ServerID": 23, "MessageStream": "outbound"} | fields


def postmark_bounce(kind: str = "HardBounce", code: int = 1, **fields: Any) -> dict[str, Any]:
    """A bounce that Postmark tells of."""
    said = {"ID": 4323372036854775807, "Type": kind, "TypeCode": code, "Email": "ann@example.net"}
    more = {"BouncedAt": "2026-03-13T05:26:53.5892735-04:00", "Details": "smtp;550 5.1.1 ann@example.net unknown"}
    return postmark("Bounce", **said | more | fields)
