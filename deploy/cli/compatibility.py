"""PURE. Names the fields by which two versions of a record's schema cannot read each other's data; registries only say "no"."""

from __future__ import annotations

from typing import Any

from schemas.avro import Schema, without_extras


def without_doc(schema: Any, at: str = "") -> list[str]:
    """Return every record and field that carries no documentation, nested ones included."""
    if isinstance(schema, list):
        return [line for branch in schema for line in without_doc(branch, at)]
    if not isinstance(schema, dict):
        return []
    if schema.get("type") != "record":
        return without_doc(schema.get("items") or schema.get("values") or schema.get("type"), at)
    found = []
    if not at and not str(schema.get("doc", "")).strip():
        found.append(f"record {schema.get('name')} has no doc")
    for field in schema["fields"]:
        path = f"{at}.{field['name']}" if at else str(field["name"])
        if not str(field.get("doc", "")).strip():
            found.append(f"field {path} has no doc")
        found += without_doc(field["type"], path)
    return found


def differences(old: Schema, new: Schema, at: str = "") -> list[str]:
    """Return why data of one version cannot be read with the other (both directions: FULL), one line a field.

    Explains a registry's verdict, does not replace it: the rare promotion that works both ways is listed too.
    """
    if old.get("name") != new.get("name"):
        return [f"record {at or old.get('name')} is called {new.get('name')} now, it was {old.get('name')}"]
    before = {f["name"]: f for f in old["fields"]}
    after = {f["name"]: f for f in new["fields"]}
    found = []
    for name, field in before.items():
        path = f"{at}.{name}" if at else name
        if name in after:
            found += _changes(field["type"], after[name]["type"], path)
        elif "default" not in field:
            found.append(f"field {path} is gone, and it had no default for readers that expect it")
    for name, field in after.items():
        path = f"{at}.{name}" if at else name
        if name not in before and "default" not in field:
            found.append(f"field {path} is new and has no default for data written before")
    return found


def _changes(old: Any, new: Any, path: str) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict) and old.get("type") == new.get("type"):
        kind = old["type"]
        if kind == "record":
            return differences(old, new, path)
        if kind == "enum":
            return _enum_changes(old, new, path)
        if kind in ("array", "map"):
            inner = "items" if kind == "array" else "values"
            return _changes(old[inner], new[inner], path)
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [line for a, b in zip(old, new, strict=True) for line in _changes(a, b, path)]
    if _plain(old) == _plain(new):
        return []
    return [f"field {path} changed its type from {_named(old)} to {_named(new)}"]


def _enum_changes(old: Schema, new: Schema, path: str) -> list[str]:
    gone = [s for s in old["symbols"] if s not in new["symbols"]]
    added = [s for s in new["symbols"] if s not in old["symbols"]]
    found = []
    if gone and "default" not in new:
        found.append(f"field {path} lost the symbols {', '.join(gone)} and has no default symbol")
    if added and "default" not in old:
        found.append(f"field {path} got the symbols {', '.join(added)}, and readers before had no default symbol")
    if "default" in new and new["default"] not in new["symbols"]:
        found.append(f"field {path} has the default symbol {new['default']}, which is not among its symbols")
    return found


def _plain(node: Any) -> Any:
    bare = without_extras(node)
    return bare["type"] if isinstance(bare, dict) and set(bare) == {"type"} else bare


def _named(node: Any) -> str:
    plain = _plain(node)
    if isinstance(plain, list):
        return " or ".join(_named(n) for n in plain)
    return str(plain["type"]) if isinstance(plain, dict) else str(plain)
