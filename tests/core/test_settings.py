"""Settings and the token."""

from pathlib import Path

import pytest

from tasks.exports.errors import SettingRefused, TokenMissing
from tasks.exports.settings import Settings


def test_the_defaults_are_the_documented_ones() -> None:
    """The README's table."""
    settings = Settings.load()
    assert settings.model_dump(exclude={"data_dir"}) == {
        "api_token": None,
        "api_url": "https://api.botify.com/v1",
        "poll_seconds": 2,
        "poll_max_seconds": 30,
        "job_timeout": 14_400,
        "requests_per_second": 5,
        "max_file_bytes": 64 * 1024**3,
        "row_tolerance": 0,
        "parallel_jobs": 3,
        "ambiguous_grace": 60,
        "on_ambiguous": "resubmit",
        "work_dir": Path.home() / ".cache" / "botify-export",
    }
    assert settings.data_dir == str(Path("data").resolve())


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("BOTIFY_POLL_SECONDS", "soon", "BOTIFY_POLL_SECONDS: "),
        ("BOTIFY_POLL_SECONDS", "0", "BOTIFY_POLL_SECONDS: "),
        ("BOTIFY_ROW_TOLERANCE", "1", "BOTIFY_ROW_TOLERANCE: "),
        ("BOTIFY_REQUESTS_PER_SECOND", "0", "BOTIFY_REQUESTS_PER_SECOND: "),
        ("BOTIFY_ON_AMBIGUOUS", "guess", "BOTIFY_ON_AMBIGUOUS: "),
        ("BOTIFY_API_URL", "http://api.botify.com/v1", "BOTIFY_API_URL: must be https: a token is sent there."),
        ("BOTIFY_API_URL", "api.botify.com", "BOTIFY_API_URL: must be an address like https://api.botify.com/v1."),
        ("BOTIFY_API_URL", "https://me:secret@api.botify.com/v1", "BOTIFY_API_URL: must be an address like"),
    ],
)
def test_an_impossible_setting_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    """The sentence names the variable as the user set it, and repeats no secret."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingRefused, match=sentence) as refusal:
        Settings.load()
    assert "secret" not in str(refusal.value)


def test_an_empty_variable_is_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """`BOTIFY_POLL_SECONDS= botify-export ...` means the default."""
    monkeypatch.setenv("BOTIFY_POLL_SECONDS", "")
    assert Settings.load().poll_seconds == 2


def test_the_token_is_the_variable_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of precedence, and the form of the file: the second line may be a comment (§8.18)."""
    Path("botify_token.txt").write_text("from-the-file \n# of the SEO team\n")
    assert Settings.load().token().get_secret_value() == "from-the-file"
    monkeypatch.setenv("BOTIFY_API_TOKEN", " from-the-variable\n")
    assert Settings.load().token().get_secret_value() == "from-the-variable"


@pytest.mark.parametrize("content", [None, b"", b"\n# a comment\n", b"two words\n", b"\xff\xfe", "tokén\n".encode()])
def test_without_a_usable_token_nothing_begins(content: bytes | None) -> None:
    """What cannot be a header is no token, and is not repeated."""
    if content is not None:
        Path("botify_token.txt").write_bytes(content)
    with pytest.raises(TokenMissing) as refusal:
        Settings.load().token()
    assert "two words" not in str(refusal.value)
    assert "BOTIFY_API_TOKEN" in refusal.value.next_step


def test_the_token_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in a repr, not in a dump: a secret."""
    monkeypatch.setenv("BOTIFY_API_TOKEN", "very-secret")
    settings = Settings.load()
    assert "very-secret" not in f"{settings!r} {settings.model_dump()} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("s3://", "must be a folder, or an address like s3://bucket/exports"),
        ("nope://x", "nothing is known of nope://"),
        ("gs://exports", "gs:// needs a package that is not installed"),
        ("sftp://me:secret@host/exports", "must hold no password"),
    ],
)
def test_an_address_that_cannot_be_a_data_folder_is_refused(address: str, sentence: str) -> None:
    """Before anything is asked, and without repeating a secret."""
    with pytest.raises(SettingRefused, match=sentence) as refusal:
        Settings.load(address)
    assert "secret" not in str(refusal.value)


def test_what_is_under_way_lies_here_although_the_data_folder_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each data folder has a work folder of its own; a folder of this machine is its own work folder."""
    monkeypatch.setenv("BOTIFY_WORK_DIR", "work")
    one, other = (Settings.load(f"s3://exports/{name}/").places for name in "ab")
    assert str(one.data_dir) == "s3://exports/a"
    assert one.is_shared
    assert one.work.parent == other.work.parent == Path("work").resolve()
    assert one.work != other.work
    here = Settings.load(f"file://{Path('here').resolve()}").places
    assert not here.is_shared
    assert here.work == Path("here").resolve()
