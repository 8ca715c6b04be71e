"""Ready calls with a new key, label and text each; they take the secret from the environment, where it belongs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from bitting.console.asked import Asked

_SAMPLES: dict[str, Any] = {
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "date": "2026-01-31",
    "datetime": "2026-01-31T10:00:00Z",
    "user": "usr_…",
    "record": "rec_…",
}


def reading_snippets(asked: Asked) -> list[tuple[str, str]]:
    """A call that every key may make: what it may do itself."""
    url = f"{asked.base}/v1/keys/current"
    return [
        ("curl", f'curl "{url}" \\\n  -H "X-Api-Key: $BITTING_KEY"'),
        (
            "Python",
            "import os\nimport requests\n\n"
            f'answer = requests.get("{url}", headers={{"X-Api-Key": os.environ["BITTING_KEY"]}})\n'
            "answer.raise_for_status()\nprint(answer.json())",
        ),
        (
            "JavaScript",
            f'const answer = await fetch("{url}", {{\n'
            '  headers: { "X-Api-Key": process.env.BITTING_KEY },\n});\nconsole.log(await answer.json());',
        ),
    ]


def creating_snippets(asked: Asked, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The call that a web form's server makes: it creates a record."""
    url, body = f"{asked.base}/v1/records", json.dumps(record, ensure_ascii=False)
    return [
        (
            "curl",
            f'curl "{url}" \\\n  -H "X-Api-Key: $BITTING_KEY" -H "Content-Type: application/json" \\\n'
            f"  -d {shlex.quote(body)}",
        ),
        (
            "Python",
            "import os\nimport requests\n\n"
            f'answer = requests.post(\n    "{url}",\n    headers={{"X-Api-Key": os.environ["BITTING_KEY"]}},\n'
            f"    json={dict(record)!r},\n)\nanswer.raise_for_status()\nprint(answer.json())",
        ),
        (
            "JavaScript",
            f'const answer = await fetch("{url}", {{\n  method: "POST",\n'
            '  headers: { "X-Api-Key": process.env.BITTING_KEY, "Content-Type": "application/json" },\n'
            f"  body: JSON.stringify({body}),\n}});\nconsole.log(await answer.json());",
        ),
    ]


def sample_value(prop: Mapping[str, Any]) -> Any:
    """A value that a property could have."""
    value = prop["options"][0] if prop["type"] == "choice" else _SAMPLES.get(prop["type"], "…")
    return [value] if prop["plural"] else value
