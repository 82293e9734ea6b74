"""docs/audits.md says what the headers say.

`python -m tests.auditing.test_doc` writes it anew.
"""

from __future__ import annotations

from pathlib import Path

from catalog.auditing import audits, grouped, markdown

CHECKOUT = Path(__file__).parents[2]
DOC = CHECKOUT / "docs" / "audits.md"


def test_the_page_is_made_from_the_headers() -> None:
    assert DOC.read_text(encoding="utf-8") == markdown(audits().values())


def test_every_audit_is_described_with_what_to_do() -> None:
    text = DOC.read_text(encoding="utf-8")
    for audit in audits().values():
        section = text.partition(f"\n### {audit.name}\n")[2].partition("\n### ")[0]
        assert audit.description in section
        assert audit.action in section
        assert all(f"`-p {name}=…`" in section for name in (*audit.arguments, *audit.options))


def test_the_readme_lists_the_audits() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    for group, members in grouped(audits().values()):
        assert group in readme
        for audit in members:
            assert f"  {audit.name:30}  {audit.kind:7}  {audit.title}" in readme


if __name__ == "__main__":
    DOC.write_text(markdown(audits().values()), encoding="utf-8")
