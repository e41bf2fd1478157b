"""Timeouts of connections to PostgreSQL.

libpq's default waits two minutes for a connection, and the system's a quarter of an hour for the
answer of a machine that is gone. A webhook has to be answered with 503 long before that.
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
"""

from __future__ import annotations

from sqlalchemy import URL, make_url

_TIMEOUT_PARAMETERS = {
    "connect_timeout": "5",  # seconds
    "keepalives_idle": "10",  # idle seconds before the first keepalive
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",  # milliseconds for sent data to be acknowledged
}


def add_timeouts(url: URL) -> URL:
    """The address with each of these parameters that it does not set itself."""
    if url.get_backend_name() != "postgresql":
        return url
    asked = {name: value for name, value in _TIMEOUT_PARAMETERS.items() if name not in url.query}
    return url.update_query_dict(asked)


def add_timeouts_to_address(address: str) -> str:
    """``add_timeouts`` for an address as text, which may contain a password."""
    return add_timeouts(make_url(address)).render_as_string(hide_password=False)
