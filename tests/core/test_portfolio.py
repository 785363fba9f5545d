"""A portfolio's file: what a team may write into it, and the sentence for what it may not."""

from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from tasks.exports.columns import DEFAULT_FIELDS
from tasks.exports.errors import PortfolioRefused
from tasks.exports.portfolio import PortfolioProject, choose_projects, read_portfolio
from tasks.exports.site import Coverage
from tasks.exports.wanted import OutputFormat

A, B = PortfolioProject(url="acme/a"), PortfolioProject(url="acme/b")
COLUMNS = (
    "The columns are: url, analysis, fields, coverage, max_rows, max_depth, file_format, excel, group, credentials."
)


def read(text: str | bytes, name: str = "list.csv") -> tuple[PortfolioProject, ...]:
    """The projects of a file with this text."""
    path = Path(name)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_portfolio(path)


def test_a_csv_file_says_everything_that_an_export_may_be_asked() -> None:
    """One line a project, under the names of the columns, in any order."""
    (project,) = read(
        "group,url,analysis,fields,coverage,max_rows,max_depth,file_format,excel,credentials\n"
        'nightly,https://app.botify.com/acme/a/,20260131,"title, h1",depth,500,3,parquet,true,acme\n'
    )
    assert project == PortfolioProject(
        url="https://app.botify.com/acme/a/",
        analysis="20260131",
        fields=("title", "h1"),
        coverage=Coverage.DEPTH,
        max_rows=500,
        max_depth=3,
        file_format=OutputFormat.PARQUET,
        excel=True,
        group="nightly",
        credentials="acme",
    )


def test_what_a_line_leaves_out_is_as_in_a_single_export() -> None:
    """Empty cells, and cells that are not there; only the address has no default."""
    known = read("url,analysis,fields,max_rows,excel,group\nacme/a, ,,,,\nacme/b\n")
    assert known == (A, B)
    assert (A.fields, A.coverage, A.max_rows, A.file_format) == (DEFAULT_FIELDS, "depth", 1_000_000, "both")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_spreadsheet_may_choose_the_separator(separator: str, ending: str) -> None:
    """With a mark in front, empty lines between, and empty cells behind the last, as spreadsheets write them."""
    lines = ["url|group||", "acme/a|x||", "|||", "", "acme/b||"]
    text = "\ufeff" + ending.join(lines).replace("|", separator)
    assert read(text) == (A.model_copy(update={"group": "x"}), B)


def test_a_file_of_addresses_alone_is_a_portfolio() -> None:
    """One column needs no separator, and an address keeps the analysis that it names."""
    (project,) = read("url\nhttps://app.botify.com/acme/a/crawls?analysisSlug=20260131\n")
    assert str(project) == "acme/a"
    assert project.address.analysis == "20260131"


def test_a_yaml_file_has_defaults_for_all() -> None:
    """A project is an address or a mapping, and says for itself what is different."""
    text = "defaults: {max_rows: 500, fields: [title]}\nprojects:\n- acme/a\n- url: acme/b\n  max_rows: 7\n"
    terms: dict[str, Any] = {"fields": ("title",), "max_rows": 500}
    assert read(text, "list.yaml") == (
        A.model_copy(update=terms),
        B.model_copy(update=terms | {"max_rows": 7}),
    )


def test_a_yaml_file_may_be_a_list_alone() -> None:
    """In YAML an analysis is a number; a name in capital letters is no other kind of file."""
    (project,) = read("- {url: acme/a, analysis: 20260131, group: 1, fields: 'title; h1'}", "LIST.YML")
    assert (project.analysis, project.group, project.fields) == ("20260131", "1", ("title", "h1"))


def test_a_portfolio_may_lie_wherever_fsspec_reads() -> None:
    """In a bucket, or behind an address."""
    UPath("memory://portfolios/list.yml").write_text("- acme/a\n- acme/b\n")
    assert read_portfolio("memory://portfolios/list.yml") == (A, B)


def test_one_project_may_be_exported_in_several_ways() -> None:
    """Another analysis or other columns are another export, and each group may have the same."""
    text = "url,analysis,fields,group\nacme/a,,,\nacme/a,20260131,,\nacme/a,,title,\nacme/a,,,x\n"
    assert len(read(text)) == 4


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "there is no project in it."),
        ("url\n\n", "there is no project in it."),
        ("acme/a\nacme/b\n", f"line 1 is no header: it has no column `url`. {COLUMNS}"),
        ("URL\nacme/b\n", f"line 1 is no header: it has no column `url`. {COLUMNS}"),
        ("url,depth\nacme/a,3\n", f"line 1: there is no column 'depth'. {COLUMNS}"),
        ("url,group,url\n", "line 1: the column 'url' stands there twice."),
        ("url,group\n\nacme/a,x,y\n", "line 3 has 3 cells, the header 2."),
        ("url,group\n,x\n", "line 2 has no url."),
        ('url\n"acme/a"b\n', "line 2: ',' expected after '\"'."),
        ('url\n"acme/a', "line 2: unexpected end of data."),
        ("url\nhttps://example.com/acme/a\n", "line 2: example.com is not Botify: a project's address begins with"),
        ("url,analysis\nacme/a,../etc\n", "line 2: '../etc' cannot be an analysis; one looks like 20260131"),
        ("url,analysis\nacme/a,ask\n", "line 2: a portfolio asks nobody for an analysis; name it, or leave it out."),
        ("url,coverage,max_depth\nacme/a,full,3\n", "line 2: --coverage full exports every depth, and --max-depth 3"),
        ("url,coverage\nacme/a,all\n", "line 2, coverage: Input should be 'depth' or 'full'."),
        ("url,max_rows\nacme/a,0\n", "line 2, max_rows: Input should be greater than or equal to 1."),
        ("url,excel\nacme/a,perhaps\n", "line 2, excel: Input should be a valid boolean, unable to interpret input."),
        (
            "url\nacme/a\nhttps://app.botify.com/acme/a/pages\n",
            "line 3 is the same export of acme/a as line 2.",
        ),
        ("url,analysis\nacme/a,\nacme/a,latest\n", "line 3 is the same export of acme/a as line 2."),
        (
            "url,analysis\nacme/a,20260131\nhttps://app.botify.com/acme/a?analysisSlug=20260131,\n",
            "line 3 is the same export of acme/a as line 2.",
        ),
    ],
)
def test_what_is_wrong_in_a_csv_file_is_said_with_its_name_and_line(text: str, sentence: str) -> None:
    """Whoever keeps it finds the place."""
    with pytest.raises(PortfolioRefused) as refusal:
        read(text)
    assert str(refusal.value).startswith(f"list.csv: {sentence}")
    assert refusal.value.next_step == "Correct the list and run it again."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("projects: [", "this is no YAML: while parsing"),
        ("", "it holds no list of projects."),
        ("projects: acme/a", "it holds no list of projects."),
        ("acme/a", "it holds no list of projects."),
        ("projects: []", "there is no project in it."),
        ("{projects: [acme/a], groups: [x]}", "'groups' stands beside `projects`; only `defaults` may."),
        ("{projects: [acme/a], defaults: [x]}", f"defaults is neither an address nor a mapping. {COLUMNS}"),
        ("{projects: [acme/a], defaults: {depth: 3}}", f"defaults: there is no column 'depth'. {COLUMNS}"),
        ("[acme/a, 7]", f"project 2 is neither an address nor a mapping. {COLUMNS}"),
        ("[acme/a, {url: acme/b, depth: 3}]", f"project 2: there is no column 'depth'. {COLUMNS}"),
        ("[{group: x}]", "project 1 has no url."),
        ("[{url: acme/a, fields: {title: 1}}]", "project 1, fields: Input should be a valid tuple."),
        ("[acme/a, acme/b, acme/a]", "project 3 is the same export of acme/a as project 1."),
    ],
)
def test_what_is_wrong_in_a_yaml_file_is_said_with_the_number_of_the_project(text: str, sentence: str) -> None:
    """YAML has lost its lines by then."""
    with pytest.raises(PortfolioRefused) as refusal:
        read(text, "list.yaml")
    assert str(refusal.value).startswith(f"list.yaml: {sentence}")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere.csv", "nowhere.csv cannot be read: No such file or directory."),
        (".", ". cannot be read: Is a directory."),
        (
            "http://127.0.0.1:9/list.csv",
            "http://127.0.0.1:9/list.csv cannot be read: Cannot connect to host 127.0.0.1:9",
        ),
        ("nowhere://list.csv", "nowhere://list.csv cannot be read: Unsupported filesystem: 'nowhere'."),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(name: str, sentence: str) -> None:
    """In the words of the system, or of whatever is behind the address."""
    with pytest.raises(PortfolioRefused) as refusal:
        read_portfolio(name)
    assert str(refusal.value).startswith(sentence)
    assert str(refusal.value).endswith(".")


def test_a_file_in_another_encoding_is_refused() -> None:
    """Read as something else, its project names would be wrong."""
    with pytest.raises(PortfolioRefused, match=r"^list\.csv is not UTF-8 text\.$"):
        read("url\nacme/é\n".encode("cp1252"))


def test_projects_are_given_or_stand_in_a_file() -> None:
    """Not both, and not neither."""
    Path("list.csv").write_text("url\nacme/b\n")
    assert choose_projects([A], "", "") == (A,)
    assert choose_projects([], "list.csv", "") == (B,)
    for projects, path in (([A], "list.csv"), ([], "")):
        with pytest.raises(PortfolioRefused, match=r"^Give either projects or a file of them\.$"):
            choose_projects(projects, path, "")


def test_projects_that_are_given_are_checked_as_those_of_a_file() -> None:
    """The form of a run lets everything pass that has an address."""
    with pytest.raises(PortfolioRefused, match=r"^project 2 is the same export of acme/a as project 1\.$"):
        choose_projects([A, A], "", "")


def test_a_group_is_chosen_after_all_were_checked() -> None:
    """A file that is wrong is wrong for each of its groups, and a group that is nobody's is a mistake."""
    x, y = (each.model_copy(update={"group": name}) for each, name in ((A, "x"), (B, "y")))
    assert choose_projects([x, y, PortfolioProject(url="acme/c")], "", "y") == (y,)
    with pytest.raises(PortfolioRefused, match=r"^No project is of the group 'z'; the groups are: x, y\.$"):
        choose_projects([x, y], "", "z")
    with pytest.raises(PortfolioRefused, match=r"^No project is of the group 'z'; the groups are: none\.$"):
        choose_projects([A], "", "z")
    with pytest.raises(PortfolioRefused, match="same export"):
        choose_projects([x, x, y], "", "y")


def test_a_project_asks_what_the_export_takes() -> None:
    """Its own credentials go before those of the whole run."""
    asked = A.parameters("everybody")
    assert (asked["project_url"], asked["credentials"], asked["fields"]) == ("acme/a", "everybody", [*DEFAULT_FIELDS])
    assert A.model_copy(update={"credentials": "acme"}).parameters("everybody")["credentials"] == "acme"
    assert not {"url", "group"} & asked.keys()
