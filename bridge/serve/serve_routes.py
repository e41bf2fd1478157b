"""Where applications ask: the routes of the web server."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import BaseRoute, Route

from bridge.serve.application_tokens import FindTokens
from bridge.serve.find_answers import AnswerFinder
from bridge.serve.prompt_endpoints import (
    CommitEndpoint,
    FindServedMappings,
    IsStopping,
    PromptEndpoint,
    PromptListEndpoint,
    ReleaseDocuments,
)
from bridge.serve.read_releases import ReleaseReader
from bridge.serve.serve_response import CountRead
from bridge.serve.template_endpoints import TemplateEndpoint, TemplateListEndpoint

# Whose wrong tokens are limited as refused webhooks are: what begins with one of these.
SERVE_PREFIXES = ("/v1/", "/prompt-templates")


class _NameConvertor(Convertor[str]):
    """The rest of a path, whatever characters a prompt's name has."""

    regex = "(?s:.+)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class ServeServices:
    """What the endpoints of applications work with."""

    find_tokens: FindTokens
    reader: ReleaseReader
    answers: AnswerFinder
    find_mappings: FindServedMappings
    is_stopping: IsStopping
    count_read: CountRead


ServeRoutes = list[BaseRoute]


def create_serve_routes(services: ServeServices) -> ServeRoutes:
    """The routes, to stand before all others of the web server."""
    register_url_convertor("prompt_name", _NameConvertor())
    tokens, count, reader = services.find_tokens, services.count_read, services.reader
    documents, stopping = ReleaseDocuments(), services.is_stopping
    template = TemplateEndpoint(tokens, count, reader, services.answers)
    templates = TemplateListEndpoint(tokens, count, reader)
    prompt = PromptEndpoint(tokens, count, documents, reader, services.answers)
    prompts = PromptListEndpoint(tokens, count, documents, reader, stopping)
    commit = CommitEndpoint(tokens, count, reader, services.find_mappings, stopping)
    return [  # most asked first
        Route("/prompt-templates/{identifier:prompt_name}", template, methods=["GET", "POST"]),
        Route("/v1/prompts/{identifier:prompt_name}", prompt, methods=["GET"]),
        Route("/prompt-templates", templates, methods=["GET"]),
        Route("/v1/prompts", prompts, methods=["GET"]),
        Route("/v1/commits/{commit}", commit, methods=["GET"]),
    ]
