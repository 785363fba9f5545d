"""The trusted certificates, read once a process: 50 ms that every client would spend again."""

import ssl
from functools import cache

import httpx


@cache
def tls_context() -> ssl.SSLContext:
    """Return httpx's own default context."""
    return httpx.create_ssl_context()
