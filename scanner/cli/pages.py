"""Writes the manual pages and docs/commands again, from the commands themselves. `make pages` runs it."""

from __future__ import annotations

import sys
from pathlib import Path

from scanner.cli import page_man, page_markdown
from scanner.cli.described import described


def pages() -> dict[str, str]:
    """Every page: its path within the documentation -> its text."""
    made = {}
    for page in described():
        made[f"man/{page_man.file_name(page)}"] = page_man.man_page(page)
        made[f"commands/{page_markdown.file_name(page)}"] = page_markdown.markdown_page(page)
    return made


def write(folder: Path) -> None:
    """Write them into a folder of documentation, and remove those of commands that are no more."""
    made = pages()
    for name in ("man", "commands"):
        (folder / name).mkdir(exist_ok=True)
        for path in (folder / name).iterdir():
            if f"{name}/{path.name}" not in made:
                path.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
