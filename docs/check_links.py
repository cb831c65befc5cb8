"""Every link and picture of the built site leads to a file and an anchor of the site; nothing is fetched when a page is read."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SITE = Path(__file__).parent / "_build" / "html"


class Page(HTMLParser):
    """The links, the loaded files and the anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.anchors = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.anchors |= {values[k] for k in ("id", "name") if values.get(k)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag in ("img", "script", "iframe") and values.get("src"):
            self.loads.append(values["src"])
        if tag == "link" and values.get("rel") in ("stylesheet", "icon"):
            self.loads.append(values["href"])


def problems(site=SITE):
    """What is wrong, one line each."""
    pages = {path: Page(path) for path in site.rglob("*.html")}
    out = []
    for path, page in pages.items():
        for target in page.links + page.loads:
            parts = urlsplit(target)
            if parts.scheme in ("http", "https", "data", "mailto"):
                if target in page.loads and parts.scheme != "data":
                    out.append(f"{path.relative_to(site)}: loads {target} from elsewhere")
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            file = file / "index.html" if file.is_dir() else file
            if not file.exists():
                out.append(f"{path.relative_to(site)}: no file for {target}")
            elif parts.fragment and file in pages and unquote(parts.fragment) not in pages[file].anchors:
                out.append(f"{path.relative_to(site)}: no anchor for {target}")
    return out


if __name__ == "__main__":
    found = problems()
    print(*found, f"{len(found)} broken links", sep="\n")
    sys.exit(bool(found))
