from __future__ import annotations

from pathlib import Path

from postroom.core.mime.defects import Defect

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "reading-mail.md"


def test_every_defect_is_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [defect for defect in Defect if f"| `{defect}` | " not in page] == []
