"""The settings of an export: `BOTIFY_` variables of the environment, and the token file."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import fsspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from upath import UPath

from tasks.exports.errors import SettingRefused, TokenMissing
from tasks.exports.places import Places

TOKEN_FILE = Path("botify_token.txt")
_LISTINGS_CACHED = ("s3://", "s3a://", "gs://", "gcs://", "az://", "abfs://")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class OnAmbiguous(StrEnum):
    """What follows when Botify's list shows no job for a submission without an answer."""

    RESUBMIT = "resubmit"
    STOP = "stop"


def _safe_api_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("https", "http") or not url.hostname or url.username or url.query or url.fragment:
        raise ValueError("must be an address like https://api.botify.com/v1")
    if url.scheme == "http" and url.hostname not in LOOPBACK:
        raise ValueError("must be https: a token is sent there")
    return text.rstrip("/")


def _data_folder(text: str) -> str:
    """Return the text, made sure that it is a path here, or an address for which there is a package."""
    protocol, separator, rest = text.partition("://")
    if not separator:
        return text
    if not rest:
        raise ValueError("must be a folder, or an address like s3://bucket/exports")
    if "@" in rest.partition("/")[0]:
        raise ValueError("must hold no password: it would stand in logs and on pages; the package has its own ways")
    try:
        fsspec.get_filesystem_class(protocol)
    except ImportError as missing:
        raise ValueError(f"{protocol}:// needs a package that is not installed ({missing})") from None
    except ValueError:
        raise ValueError(f"nothing is known of {protocol}://") from None
    return text


class Credentials(BaseModel):
    """Whose token is used, and where; what a run was given instead of what the environment says."""

    model_config = ConfigDict(frozen=True)

    api_token: SecretStr
    api_url: Annotated[str, AfterValidator(_safe_api_url)]


_given: ContextVar[Credentials | None] = ContextVar("credentials", default=None)


@contextmanager
def using(credentials: Credentials | None) -> Iterator[None]:
    """Let the settings that are loaded inside have these credentials; None leaves them as they are."""
    reset = _given.set(credentials or _given.get())
    try:
        yield
    finally:
        _given.reset(reset)


class Settings(BaseSettings):
    """Read once a run; frozen. Times are in seconds. The README's table explains each for users."""

    model_config = SettingsConfigDict(env_prefix="BOTIFY_", env_ignore_empty=True, frozen=True, extra="ignore")

    api_token: SecretStr | None = None
    api_url: Annotated[str, AfterValidator(_safe_api_url)] = "https://api.botify.com/v1"
    data_dir: Annotated[str, AfterValidator(_data_folder)] = "data"
    work_dir: Path = Path("~/.cache/botify-export")
    poll_seconds: float = Field(default=2, gt=0)
    poll_max_seconds: float = Field(default=30, gt=0)
    job_timeout: float = Field(default=4 * 3600, ge=0)
    parallel_jobs: int = Field(default=3, ge=1)
    requests_per_second: int = Field(default=5, ge=1)
    max_file_bytes: int = Field(default=64 * 1024**3, ge=1)
    row_tolerance: float = Field(default=0, ge=0, lt=1)
    ambiguous_grace: float = Field(default=60, ge=0)
    on_ambiguous: OnAmbiguous = OnAmbiguous.RESUBMIT

    @classmethod
    def load(cls, data_dir: Path | str | None = None) -> Self:
        """Read the environment; credentials that are `using` go first, as does `data_dir`. Raises SettingRefused."""
        given = _given.get()
        overrides: dict[str, Any] = {} if given is None else dict(given)
        if data_dir is not None:
            overrides["data_dir"] = str(data_dir)
        try:
            settings = cls(**overrides)
        except ValidationError as refusal:
            raise SettingRefused(_in_words(refusal)) from None
        # Resolved once: a later change of the working directory must not move the data.
        return settings.model_copy(
            update={"data_dir": _resolved(settings.data_dir), "work_dir": settings.work_dir.expanduser().resolve()}
        )

    @property
    def places(self) -> Places:
        """Return the paths of the data folder."""
        # What another machine wrote is to be seen at once.
        options: dict[str, Any] = {"use_listings_cache": False} if self.data_dir.startswith(_LISTINGS_CACHED) else {}
        return Places(UPath(self.data_dir, **options), self.work_dir)

    def with_token(self) -> Self:
        """Return these settings, having made sure that there is a token. Raises TokenMissing."""
        self.token()
        return self

    def token(self) -> SecretStr:
        """Return the API token: the variable's, else the first line of `botify_token.txt`. Raises TokenMissing."""
        if self.api_token and (text := self.api_token.get_secret_value().strip()):
            return _checked(text, "BOTIFY_API_TOKEN")
        try:
            first_line = TOKEN_FILE.read_text(encoding="utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError):
            first_line = ""
        if not first_line:
            raise TokenMissing("No Botify API token was found.")
        return _checked(first_line, str(TOKEN_FILE))


def _resolved(data_dir: str) -> str:
    if "://" in data_dir and not data_dir.startswith("file://"):
        return data_dir.rstrip("/")
    return str(Path(data_dir.removeprefix("file://")).expanduser().resolve())


def _checked(token: str, where: str) -> SecretStr:
    # The token becomes a header, in which anything else would be an error that shows it.
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise TokenMissing(f"{where} holds more than a token: a token is one word of ASCII characters.")
    return SecretStr(token)


def _in_words(refusal: ValidationError) -> str:
    first = refusal.errors(include_url=False, include_input=False)[0]
    name = "BOTIFY_" + "_".join(str(part) for part in first["loc"]).upper()
    return f"{name}: {first['msg'].removeprefix('Value error, ')}."
