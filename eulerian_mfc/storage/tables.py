"""Objects of JSON."""

from __future__ import annotations

from typing import Any

#: an object of JSON, whose values are checked where they are used
Table = dict[str, Any]
