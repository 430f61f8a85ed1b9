"""Domains whose mail the same provider takes."""

from __future__ import annotations

import pytest

from postroom.core.delivery.destinations import destination_of


@pytest.mark.parametrize(
    ("domain", "hosts", "destination"),
    [
        ("gmail.com", (), "google.com"),
        ("northwind.example", ("aspmx.l.google.com", "alt1.aspmx.l.google.com"), "google.com"),
        ("northwind.example", ("smtp.google.com",), "google.com"),
        ("contoso.example", ("contoso-example.mail.protection.outlook.com",), "outlook.com"),
        ("contoso.example", ("contoso-example.o-v1.mx.microsoft",), "outlook.com"),
        ("yahoo.co.uk", (), "yahoodns.net"),
        ("shop.example", ("mta5.am0.yahoodns.net",), "yahoodns.net"),
        ("shop.example", ("mx.provider.test.",), "provider.test"),
        ("shop.example", ("mx1.mail.firm.co.uk",), "firm.co.uk"),
        ("shop.example", ("mail.shop.example",), "shop.example"),
        ("shop.example", ("notgoogle.com",), "notgoogle.com"),
        ("shop.example", (), "shop.example"),
        ("shop.example", ("localhost",), "shop.example"),
        ("shop.example", ("192.0.2.25",), "192.0.2.25"),
    ],
)
def test_the_mail_hosts_name_the_provider(domain: str, hosts: tuple[str, ...], destination: str) -> None:
    assert destination_of(domain, hosts) == destination
