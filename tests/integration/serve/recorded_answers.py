"""The answers that were recorded from PromptLayer, asked of the bridge again."""

from __future__ import annotations

from bridge.prompts.prompt import JsonObject
from tests.integration.serve.application_server import WIDE_TOKEN, ApplicationServer
from tests.integration.test_promptlayer_serving import publish_recorded_prompt
from tests.unit.promptlayer.recorded_payloads import fact

_UNRENDERED = {"skip_input_variable_rendering": True}


def compare_recorded_answers(server: ApplicationServer) -> tuple[int, int]:
    """How many answers were compared, and how many are the same but for ``request_id``."""
    calls = [call for call in fact("recorded-serving.json") if "prompt-templates" in call["path"]]
    publish_recorded_prompt(server.registry, calls[0]["response"])
    server.release("sample_template", label="latest")
    compared = same = 0
    for call in calls:
        for body in (call["request"], call["request"] | _UNRENDERED, _UNRENDERED):
            answer = server.post(call["path"], body, WIDE_TOKEN)
            compared += 1
            same += answer.status_code == call["status"] and (
                _without_request_id(answer.json()) == _without_request_id(call["response"])
            )
    return compared, same


def _without_request_id(answer: JsonObject) -> JsonObject:
    return {key: value for key, value in answer.items() if key != "request_id"}
