"""Generate the API description, `openapi.json`, and TypeScript types from it, `types.ts`.

    python client/generate.py

`make openapi` runs it. A test fails if the committed files are out of date.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

HEAD = "// Made from openapi.json by client/generate.py. Do not edit.\n"
PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean"}


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of all routes, regardless of local settings."""
    for name in ("ROUTES", "BASE_PATH"):
        os.environ[name] = ""
    import router

    return router.create_app(router.ROUTES).openapi()


def types(document: dict[str, Any]) -> str:
    """Return the schemas as TypeScript interfaces; response fields are never optional."""
    schemas = document["components"]["schemas"]
    return HEAD + "".join(_interface(name, schema) for name, schema in schemas.items())


def _interface(name: str, schema: dict[str, Any]) -> str:
    lines = [f"\nexport interface {name} {{"]
    for field, kind in schema["properties"].items():
        optional = name.endswith("Request") and field not in schema.get("required", ())
        lines.append(f"  {field}{'?' if optional else ''}: {_type(kind)};")
    return "\n".join([*lines, "}\n"])


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[-1])
    if "anyOf" in schema:
        return " | ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    match schema.get("type"):
        case "array":
            return f"{_type(schema['items'])}[]"
        case "object":
            inner = schema.get("additionalProperties", True)
            return f"Record<string, {_type(inner) if isinstance(inner, dict) else 'unknown'}>"
        case "null":
            return "null"
        case kind:
            return PLAIN.get(str(kind), "unknown")


def files() -> dict[str, str]:
    """Return the name and content of every generated file."""
    document = openapi()
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return {"openapi.json": text, "types.ts": types(document)}


if __name__ == "__main__":
    for name, text in files().items():
        (HERE / name).write_text(text)
