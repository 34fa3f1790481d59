from pathlib import Path

from hnlpu.costmodel.consistent import consistent_sheet
from hnlpu.reports.formulas import formulas_markdown

DOC = Path(__file__).parents[2] / "docs" / "formulas.md"


def test_the_page_is_what_the_rules_say():
    """Refresh with ``python -m hnlpu.reports.formulas > docs/formulas.md``."""
    assert DOC.read_text(encoding="utf-8") == formulas_markdown()


def test_every_rule_is_explained():
    text = formulas_markdown()
    for name in consistent_sheet().rules:
        assert f"| `{name}` |" in text
