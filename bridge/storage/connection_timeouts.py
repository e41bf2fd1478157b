"""How long a PostgreSQL may keep silent before a connection to it counts as lost.

Left to themselves, libpq waits two minutes for a connection, and the system a quarter of an hour
for an answer of a machine that is gone. The front door has to say 503 long before that.
"""

from __future__ import annotations

from sqlalchemy import URL, make_url

_TIMEOUT_PARAMETERS = {
    "connect_timeout": "5",  # seconds
    "keepalives_idle": "10",  # seconds without a word until the other side is asked
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",  # milliseconds until what was sent has to be acknowledged
}


def add_timeouts(url: URL) -> URL:
    """The address, with whatever of this it does not say itself."""
    if url.get_backend_name() != "postgresql":
        return url
    asked = {name: value for name, value in _TIMEOUT_PARAMETERS.items() if name not in url.query}
    return url.update_query_dict(asked)


def add_timeouts_to_address(address: str) -> str:
    """The same for an address as text, which may hold a password."""
    return add_timeouts(make_url(address)).render_as_string(hide_password=False)
