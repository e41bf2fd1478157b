"""Where applications ask: the routes of the web server."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import BaseRoute, Route

from bridge.serve.prompt_endpoints import (
    CommitEndpoint,
    PromptEndpoint,
    PromptListEndpoint,
    ReleaseDocuments,
)
from bridge.serve.serve_services import ServeServices
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


ServeRoutes = list[BaseRoute]


def create_serve_routes(services: ServeServices) -> ServeRoutes:
    """The routes, to stand before all others of the web server."""
    register_url_convertor("prompt_name", _NameConvertor())
    documents = ReleaseDocuments()
    template, templates = TemplateEndpoint(services), TemplateListEndpoint(services)
    prompt, prompts = PromptEndpoint(services, documents), PromptListEndpoint(services, documents)
    commit = CommitEndpoint(services)
    return [  # most asked first
        Route("/prompt-templates/{identifier:prompt_name}", template, methods=["GET", "POST"]),
        Route("/v1/prompts/{identifier:prompt_name}", prompt, methods=["GET"]),
        Route("/prompt-templates", templates, methods=["GET"]),
        Route("/v1/prompts", prompts, methods=["GET"]),
        Route("/v1/commits/{commit}", commit, methods=["GET"]),
    ]
