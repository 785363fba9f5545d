"""What all answers of the API share: the error envelope, pages, and who may ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from deployments.sandbox.behaviour import Scalar
from deployments.sandbox.refusals import Code, RefusalError
from deployments.sandbox.state import TOKEN, State

Item = TypeVar("Item")
PageNumber = Annotated[int, Query(ge=1)]
PageSize = Annotated[int, Query(ge=1)]


def state_of(request: Request) -> State:
    """The sandbox that this request came to; there is one app for all of them, as making one takes long."""
    state = request.scope["sandbox.state"]
    assert isinstance(state, State)
    return state


def files_url_of(request: Request) -> str:
    """Where the download host is, for this request."""
    return str(request.scope["sandbox.files_url"])


# Asynchronous, as `check_token` is, though it waits for nothing: FastAPI would run it in a thread, and while that is
# waited for, virtual time jumps.
async def _here(request: Request) -> State:
    return state_of(request)


Here = Annotated[State, Depends(_here)]


async def check_token(request: Request) -> None:
    """`Authorization: Token ...`, in whatever case the keyword is (botify-api.md §1.1). Raises RefusalError."""
    keyword, _, token = request.headers.get("authorization", "").partition(" ")
    if keyword.lower() != "token" or token != TOKEN:
        raise RefusalError(Code.NOT_AUTHORIZED)


def envelope(state: State, code: Code, message: str, status: int | None = None) -> JSONResponse:
    """The error envelope of botify-api.md §7.3."""
    number = code.number if state.behaviour.error_code is Scalar.INTEGER else str(code.number)
    return JSONResponse({"error": {"error_code": number, "message": message}}, status or code.status)


async def refused(request: Request, error: Exception) -> JSONResponse:
    """Every refusal, the framework's own included, comes in the envelope."""
    state = state_of(request)
    match error:
        case RefusalError(code=code):
            return envelope(state, code, str(error))
        case HTTPException(status_code=status, detail=detail):
            return envelope(state, Code.of_status(status), detail, status)
    return envelope(state, Code.BADLY_FORMATTED_REQUEST, str(error).splitlines()[0])


REFUSALS = (RefusalError, HTTPException, RequestValidationError)


async def json_body(request: Request) -> object:
    """The parsed body. Raises RefusalError."""
    try:
        return await request.json()
    except ValueError as error:
        raise RefusalError(Code.BADLY_FORMATTED_REQUEST, "not JSON") from error


@dataclass(frozen=True)
class Sheet(Generic[Item]):
    """One page of a list, and what stands around it (botify-api.md §2.1)."""

    items: Sequence[Item]
    around: dict[str, object]

    def filled(self, results: Sequence[object]) -> dict[str, object]:
        """The envelope around the items' JSON."""
        return self.around | {"results": results}


def sheet(request: Request, items: Sequence[Item], page: int, size: int) -> Sheet[Item]:
    """Cut a list into pages, with absolute `next` and `previous`."""
    size = min(size, state_of(request).behaviour.list_size_limit)
    around: dict[str, object] = {
        "next": link_to_page(request, page + 1) if page * size < len(items) else None,
        "previous": link_to_page(request, page - 1) if page > 1 else None,
        "count": len(items),
        "page": page,
        "size": size,
    }
    return Sheet(items[(page - 1) * size : page * size], around)


def link_to_page(request: Request, page: int) -> str:
    """The same request for another page; at the wrong host if the switch `foreign_next` wants a trap."""
    url = request.url.include_query_params(page=page)
    if not state_of(request).behaviour.foreign_next:
        return str(url)
    return f"{files_url_of(request)}{url.path}?{url.query}"
