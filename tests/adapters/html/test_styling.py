"""Style sheets written into the elements, with nothing loaded from anywhere."""

from __future__ import annotations

from pathlib import Path

from postroom.adapters.html.styling import MAX_STYLES, MailHtml


def test_a_style_sheet_is_written_into_the_elements() -> None:
    html = MailHtml().inline_css("<style>p.note { color: red }</style><p class='note'>x</p>")
    assert 'style="color: red;"' in html
    assert "<style>p" not in html


def test_html_without_a_style_sheet_is_not_touched() -> None:
    html = "<p>x<br><b>y</p>"
    assert MailHtml().inline_css(html) is html


def test_media_queries_stay_where_they_are_understood() -> None:
    html = MailHtml().inline_css("<style>p{color:red} @media (max-width:600px){p{color:blue}}</style><p>x</p>")
    assert "@media" in html


def test_nothing_is_loaded_from_the_disk_or_the_network(tmp_path: Path) -> None:
    sheet = tmp_path / "secret.css"
    sheet.write_text("p { color: green }")
    html = MailHtml().inline_css(
        f"<link rel=stylesheet href='file://{sheet}'><link rel=stylesheet href='http://127.0.0.1:9/x.css'>"
        f"<link rel=stylesheet href='{sheet}'><style>p {{ margin: 0 }}</style><p>x</p>"
    )
    assert "green" not in html
    assert "margin: 0" in html


def test_style_sheets_that_are_too_large_stay_as_they_are() -> None:
    html = f"<style>{'p{color:red}' * (MAX_STYLES // 10)}</style><p>x</p>"
    assert MailHtml().inline_css(html) == html


def test_broken_style_sheets_cost_nothing_but_themselves() -> None:
    html = MailHtml().inline_css("<style>p { color: ; } } @@ {{ </style><p>words</p>")
    assert "words" in html


def test_style_elements_that_never_end_are_looked_at_once() -> None:
    html = "<p>x</p>" + "<style " * 250_000
    assert MailHtml().inline_css(html) is html


def test_a_style_element_whose_attribute_holds_a_tag_counts_as_one() -> None:
    html = f"<style title='<b>'>{'p{color:red}' * (MAX_STYLES // 10)}</style><style>p{{color:red}}</style><p>x</p>"
    assert MailHtml().inline_css(html) is html
