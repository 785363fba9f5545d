"""Faults as text, for the command line: `ROUTE WHEN: EFFECT`.

WHEN is `2`, `2-4` or `2+`, and may be left out (1). The effects:

    answer 502 html                  do, then answer 500 json
    answer 429 retry-after 7         answer 400 code 1052          answer 200 garbage
    drop                             do, then drop
    stall                            do, then stall                stall at 1000
    cut at 1000                      flip at 10                    length +5
    delay 3                          redirect [URL or path]
    fail [none|error|failure-reason|results] [text]                never finish
    expired [403|404|410]
"""

import json
import re
from collections.abc import Callable

from deployments.sandbox.faults import (
    Answer,
    Cut,
    Delay,
    Drop,
    Effect,
    ExpireLink,
    FailJob,
    Fault,
    Flip,
    NeverFinish,
    Reason,
    Redirect,
    Stall,
    WrongLength,
)
from deployments.sandbox.refusals import Code
from deployments.sandbox.routes import Route

HTML = b"<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"
GARBAGE = b'{"results": [{"dimen'


class FaultTextError(ValueError):
    """A text that is no fault; says what was expected."""


def read_fault(text: str) -> Fault:
    """Read `ROUTE WHEN: EFFECT`, e.g. `read job 2-3: answer 502 html`. Raises FaultTextError."""
    when, colon, effect = text.partition(":")
    found = re.fullmatch(r"(?P<route>[a-z ]+?)(?: (?P<first>\d+)(?P<rest>\+|-(?P<last>\d+))?)?", when.strip())
    if not colon or not found:
        raise FaultTextError(f"{text!r} is not ROUTE WHEN: EFFECT, as in 'read job 2: answer 502 html'")
    try:
        first = int(found["first"] or 1)
        times = None if found["rest"] == "+" else int(found["last"] or first) - first + 1
        return Fault(_route(found["route"]), read_effect(effect.strip()), first, times)
    except FaultTextError:
        raise
    except ValueError as error:
        raise FaultTextError(f"{text!r}: {error}") from error


def _route(words: str) -> Route:
    try:
        return Route(words)
    except ValueError as error:
        raise FaultTextError(f"no route is called {words!r}; there are: {', '.join(Route)}") from error


def read_effect(text: str) -> Effect:
    """Read the part behind the colon. Raises FaultTextError."""
    words = text.removeprefix("do, then ")
    works = words != text
    for pattern, make in _EFFECTS.items():
        if found := re.fullmatch(pattern, words):
            effect = make(works, *found.groups())
            if works == getattr(effect, "after_work", False):
                return effect
    raise FaultTextError(f"no effect reads {text!r}; the effects:\n{(__doc__ or '').partition('effects:')[2]}")


def _answer(works: bool, status: str, kind: str | None) -> Answer:
    match (kind or "json").split():
        case ["html"]:
            return Answer(int(status), HTML, "text/html", after_work=works)
        case ["garbage"]:
            return Answer(int(status), GARBAGE, after_work=works)
        case ["code", number]:
            return Answer(int(status), _envelope(Code.of_number(int(number))), after_work=works)
        case ["retry-after", seconds]:
            headers = (("retry-after", seconds),)
            return Answer(int(status), _envelope(Code.of_status(int(status))), headers=headers, after_work=works)
        case _:
            return Answer(int(status), _envelope(Code.of_status(int(status))), after_work=works)


def _envelope(code: Code) -> bytes:
    return json.dumps({"error": {"error_code": str(code.number), "message": code.words}}).encode()


def _fail(_: bool, reason: str | None, text: str | None) -> FailJob:
    return FailJob(Reason(reason or Reason.NONE), text or FailJob.text)


_NUMBER = r"(\d+(?:\.\d+)?)"
_EFFECTS: dict[str, Callable[..., Effect]] = {
    r"answer (\d{3})(?: (html|json|garbage|code \d+|retry-after \S+))?": _answer,
    r"drop": Drop,
    r"stall": lambda works: Stall(after_work=works),
    r"stall at (\d+)": lambda _, at: Stall(at=int(at)),
    r"cut at (\d+)": lambda _, at: Cut(int(at)),
    r"flip at (\d+)": lambda _, at: Flip(int(at)),
    r"length ([+-]\d+)": lambda _, by: WrongLength(int(by)),
    rf"delay {_NUMBER}": lambda _, seconds: Delay(float(seconds)),
    r"redirect(?: (\S+))?": lambda _, to: Redirect(to),
    r"fail(?: (none|error|failure-reason|results))?(?: (.+))?": _fail,
    r"never finish": lambda _: NeverFinish(),
    r"expired(?: (\d{3}))?": lambda _, status: ExpireLink(int(status or 403)),
}
