"""PURE. What Grafana and its Cassandra plugin make of a dashboard's queries; from the sources of plugin 3.3.0.

In the browser ``${name}`` is replaced (lists joined by commas), also in variables and annotations, and ``${name:sqlstring}`` by
the value in quotes, those in it doubled; then, in the plugin's backend, the macros, by plain text. What begins with anything but
SELECT is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

PLUGIN = "hadesarchitect-cassandra-datasource"
DRAWABLE = {"text", "varchar", "ascii", "int", "bigint", "tinyint", "double", "float", "boolean", "timestamp", "uuid", "inet"}
"""CQL types that the plugin passes on; on any other it fails the whole query (row.go)."""


class Asked(NamedTuple):
    """One query of a dashboard, and who asks it: the type of the panel, annotation or variable."""

    where: str
    kind: str
    statement: str


def asked(dashboard: Mapping[str, Any]) -> Iterator[Asked]:
    """Yield every query of Cassandra."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield Asked(f"variable {variable['name']}", "variable", variable["query"]["query"])
    for layer in dashboard["annotations"]["list"]:
        yield Asked(f"annotation {layer['name']}", "annotation", layer["target"]["target"])
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            if target["datasource"]["type"] == PLUGIN:
                yield Asked(panel["title"], panel["type"], target["target"])


def filled(statement: str, values: Mapping[str, str], from_ms: int, to_ms: int) -> str:
    """Return the statement as Cassandra gets it.

    Raises:
        ValueError: the plugin would refuse it, or something was not replaced.
    """
    for name, value in values.items():
        statement = statement.replace(f"${{{name}}}", value).replace(
            f"${{{name}:sqlstring}}", "'" + value.replace("'", "''") + "'"
        )
    for macro, moment in (
        ("$__timeFrom", from_ms),
        ("$__timeTo", to_ms),
        ("$__unixEpochFrom", from_ms // 1000),
        ("$__unixEpochTo", to_ms // 1000),
    ):
        statement = statement.replace(macro, str(moment))
    if not statement.upper().startswith("SELECT ") or "$" in statement:
        raise ValueError(f"not to be sent: {statement}")
    return statement


def chosen(variable: Mapping[str, Any], values: list[str]) -> list[str]:
    """Return the choices that a variable makes of a query's values; its regular expression picks a part of each."""
    if not variable["regex"]:
        return values
    pattern = variable["regex"].strip("/")
    return [m[1] for m in (re.match(pattern, value) for value in values) if m is not None]
