"""Put the tables that the scripts made into the pages: `python docs/insert_tables.py`.

A page says `<!-- table: NAME -->` ... `<!-- end -->`; what stands between is replaced by the file `NAME.md`.
"""

import re
from pathlib import Path

DOCS = Path(__file__).parent
FOLDERS = (DOCS / "tables", DOCS.parent / "benchmarks" / "results")
MARK = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end -->", flags=re.DOTALL)


def inserted(text):
    """The page with every table as its file has it."""

    def table(match):
        name = match.group(1)
        found = [folder / f"{name}.md" for folder in FOLDERS if (folder / f"{name}.md").exists()]
        if not found:
            raise FileNotFoundError(
                f"no table {name}.md in {', '.join(map(str, FOLDERS))}: run tox -e tables, benchmarks"
            )
        file = found[0]
        return f"<!-- table: {name} -->\n{file.read_text()}<!-- end -->"

    return MARK.sub(table, text)


if __name__ == "__main__":
    for page in DOCS.glob("*.md"):
        page.write_text(inserted(page.read_text()))
