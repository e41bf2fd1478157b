"""Serve style sheets and scripts of the pages, at addresses that contain a digest of their content."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

STATIC_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class StaticAsset:
    """One file. ``integrity`` is for the attribute of that name
    (https://www.w3.org/TR/SRI/)."""

    path: str  # ``/static/dashboard.0a1b2c3d.css``
    content: bytes = field(repr=False)
    media_type: str
    integrity: str

    @classmethod
    def read(cls, file: Path) -> StaticAsset:
        content = file.read_bytes()
        digest = hashlib.sha384(content).digest()
        return cls(
            f"/static/{file.stem}.{digest.hex()[:10]}{file.suffix}",
            content,
            _TYPES[file.suffix],
            f"sha384-{base64.b64encode(digest).decode()}",
        )


class StaticAssets:
    """The style sheets and scripts in ``static/``, read once."""

    def __init__(self) -> None:
        files = [file for file in sorted(STATIC_FOLDER.iterdir()) if file.suffix in _TYPES]
        self._by_name: Mapping[str, StaticAsset] = {
            file.name: StaticAsset.read(file) for file in files
        }
        self._by_path = {asset.path: asset for asset in self._by_name.values()}

    def render_style_tag(self, name: str) -> Markup:
        asset = self._by_name[name]
        text = '<link rel="stylesheet" href="{}" integrity="{}">'
        return Markup(text).format(asset.path, asset.integrity)

    def render_script_tag(self, name: str) -> Markup:
        asset = self._by_name[name]
        text = '<script src="{}" integrity="{}" defer></script>'
        return Markup(text).format(asset.path, asset.integrity)

    def create_route(self) -> Route:
        return Route("/static/{name}", self._serve, methods=["GET"])

    async def _serve(self, request: Request) -> Response:
        asset = self._by_path.get(request.url.path)
        if asset is None:
            return Response(status_code=404)
        return Response(
            asset.content, media_type=asset.media_type, headers={"Cache-Control": _FOREVER}
        )
