"""Checks answers against the schemas of PromptLayer's OpenAPI description."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

from tests.unit.promptlayer.recorded_payloads import fact


def check_answer(answer: Any, schema: str) -> None:
    """Raise ``jsonschema.ValidationError`` unless ``answer`` is as the named schema says."""
    components = nullable(fact("openapi.json")["components"])
    # Recorded answers have null here where the description knows integers only.
    for field in ("next_num", "prev_num"):
        components["schemas"]["ListPromptTemplates"]["properties"][field] = {}
    wanted = {"$ref": f"#/components/schemas/{schema}", "components": components}
    Draft202012Validator(wanted).validate(answer)


def nullable(node: Any) -> Any:
    """OpenAPI 3.0's ``nullable``, which the description still uses, in the words of 3.1."""
    if isinstance(node, list):
        return [nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    changed = {key: nullable(value) for key, value in node.items()}
    if changed.get("nullable") is not True:
        return changed
    if isinstance(changed.get("type"), str):
        return {**changed, "type": [changed["type"], "null"]}
    return {"anyOf": [changed, {"type": "null"}]} if "allOf" in changed else changed
