"""Mails for the tests of the command."""

from __future__ import annotations

HELLO = b"""\
From: Customer Carla <carla@customer.example>
To: Support <support@postroom.test>
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Message-ID: <hello.1@customer.example>
Date: Mon, 5 Jan 2026 10:00:00 +0100
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8

The printer smokes.
--b
Content-Type: text/csv; name=costs.csv
Content-Disposition: attachment; filename=costs.csv

a,b
--b--
"""

BOUNCE = b"""\
From: Mail Delivery System <mailer-daemon@customer.example>
To: bounce@postroom.test
Subject: Undelivered Mail Returned to Sender
Message-ID: <bounce.1@customer.example>
Return-Path: <>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=r

--r
Content-Type: text/plain

I could not deliver your message.
--r
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.customer.example

Final-Recipient: rfc822; nobody@customer.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 User unknown
--r
Content-Type: text/rfc822-headers

Message-ID: <ours.7@postroom.test>
--r--
"""

AWAY = b"""\
From: Bob <bob@customer.example>
To: support@postroom.test
Subject: Out of office: Hello
Message-ID: <away.1@customer.example>
In-Reply-To: <ours.8@postroom.test>
Auto-Submitted: auto-replied

I am away.
"""

REPLY = b"""\
From: Bob <bob@customer.example>
To: support@postroom.test
Subject: Re: Hello
Message-ID: <reply.1@customer.example>

It works now, thank you.

On Mon, 5 Jan 2026 at 10:00, Alice <alice@postroom.test> wrote:
> Does it work?
"""
