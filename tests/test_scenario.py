"""Loading a scenario's directory, and the errors for a malformed one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cases import COMPOSE, EXPERIMENT, ROOT, lay_out, load
from reprolab.core.config_file import hint, near
from reprolab.core.errors import Exit, UsageError
from reprolab.scenario import loader
from reprolab.scenario.catalogue import CatalogueEntry
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import Claim, Document


def load_error(root: Path, **changes: str) -> str:
    """Return the error for the small scenario with these files changed."""
    lay_out(root, **changes)
    with pytest.raises(UsageError) as caught:
        loader.load(root, "blink")
    assert caught.value.exit_status is Exit.USAGE
    return str(caught.value)


# -- a valid one -----------------------------------------------------------------------------------


def test_a_scenario_is_loaded(tmp_path: Path) -> None:
    """Title, document, factors with the documented values, variants, claims: all from the two files."""
    scenario = load(tmp_path)
    assert (scenario.name, scenario.title, scenario.document) == ("blink", "a server that blinks", Document("doc-1"))
    assert scenario.factors == {"RELEASE": "1.0", "WORKERS": "2"}
    (experiment,) = scenario.experiments.values()
    assert (experiment.name, experiment.trials, experiment.summary) == ("lamp", 3, "Whether the lamp blinks.")
    assert experiment.variants == {"documented": {}, "old": {"RELEASE": "0.9"}}
    assert [claim.id for claim in scenario.claims] == ["B-1"]
    assert scenario.claims[0].expectations == {"documented": True, "old": False}
    assert experiment.observe is None
    assert not experiment.parallel
    assert scenario.compose_file == tmp_path / "scenarios" / "blink" / "compose.yaml"


def test_names_are_sorted_and_need_a_compose_file(tmp_path: Path) -> None:
    """A directory without compose.yaml is no scenario."""
    for name in ("b", "a"):
        lay_out(tmp_path, name)
    (tmp_path / "scenarios" / "notes").mkdir()
    assert loader.names(tmp_path) == ["a", "b"]
    assert loader.names(tmp_path / "nowhere") == []


def with_values(values: str) -> str:
    """The small scenario's compose.yaml with an x-reprolab.values block."""
    assert "  document: {title: doc-1}\n" in COMPOSE
    return COMPOSE.replace("  document: {title: doc-1}\n", f"  document: {{title: doc-1}}\n  values: {values}\n")


def test_a_factor_with_few_values_refuses_others(tmp_path: Path) -> None:
    """In a variant and on the command line; the message has the closest value and all values."""
    scenario = load(tmp_path, compose=with_values("{RELEASE: 1.0 0.9}"))
    assert scenario.values == {"RELEASE": ("1.0", "0.9")}
    with pytest.raises(UsageError, match=r"--set: RELEASE cannot be '0.91' \(did you mean 0.9\?\)") as caught:
        scenario.check_factors({"RELEASE": "0.91"}, "--set")
    assert "one of 1.0, 0.9" in str(caught.value)
    scenario.check_factors({"RELEASE": "0.9", "WORKERS": "anything"}, "--set")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("{RELAESE: 1.0 0.9}", "names RELAESE, which is no factor (did you mean RELEASE?)"),
        ("{RELEASE: 0.8 0.9}", "x-reprolab.values.RELEASE lacks the documented value '1.0'"),
        ("[1, 2]", "x-reprolab.values is [1, 2]"),
        ("{WORKERS: 2}", "x-reprolab.values is {'WORKERS': 2}"),
    ],
)
def test_malformed_values(tmp_path: Path, values: str, expected: str) -> None:
    """An unknown factor, a list without the documented value, or another shape."""
    assert expected in load_error(tmp_path, compose=with_values(values))


def test_variants_that_only_illustrate_run_once(tmp_path: Path) -> None:
    """TRIALS is for the documented stack and for variants that a claim needs; others run once."""
    text = EXPERIMENT.replace('"old": {', '"three": {"WORKERS": 3}, "old": {')
    scenario = load(tmp_path, lamp=text)
    experiment = scenario.experiments["lamp"]
    assert [scenario.trials_of(experiment, name) for name in experiment.variants] == [3, 1, 3]
    assert experiment.variants["three"] == {"WORKERS": "3"}


def test_every_scenario_of_the_checkout_loads() -> None:
    """Each has at least one claim, and a documented variant that changes nothing."""
    for name in loader.names(ROOT):
        scenario = loader.load(ROOT, name)
        assert scenario.claims, f"scenarios/{name}: add a Claim to CLAIMS"
        for experiment in scenario.experiments.values():
            assert experiment.variants.get("documented") == {}, f'{name}/{experiment.name}: add "documented": {{}}'


# -- factors --------------------------------------------------------------------------------------


def factors(tmp_path: Path, *values: str) -> dict[str, str]:
    """The factors of a Compose file whose service has these environment values."""
    lines = "".join(f"      V{n}: {value}\n" for n, value in enumerate(values))
    text = COMPOSE.split("    image:")[0] + "    environment:\n" + lines
    return dict(load(tmp_path, compose=text, lamp=EXPERIMENT.replace('{"RELEASE": "0.9"}', "{}")).factors)


def test_factors_and_their_documented_values(tmp_path: Path) -> None:
    """${F:-value} and ${F-value} name a factor. A value may have several, which keep their order."""
    assert factors(tmp_path, "${B:-unix:/tmp/x.sock}", "${A-1}", '"${C:-3}-${D2_E:-x y}"', "${EMPTY:-}") == {
        "B": "unix:/tmp/x.sock",
        "A": "1",
        "C": "3",
        "D2_E": "x y",
        "EMPTY": "",
    }


def test_the_first_default_counts(tmp_path: Path) -> None:
    """A use without a default does not hide the documented value of another use."""
    assert factors(tmp_path, "${A}", "${A:-7}", "${B:-8}", "${B}") == {"A": "7", "B": "8"}


def test_a_named_base_image_is_no_factor(tmp_path: Path) -> None:
    """The lab chooses base images itself. A factor inside such a variable counts."""
    values = ("${PYTHON_IMAGE:-python:${PYTHON:-3.6.15}-slim}", "${DEBIAN_IMAGE:-debian:bookworm}", "${MY_IMAGER:-1}")
    assert factors(tmp_path, *values) == {"PYTHON": "3.6.15", "MY_IMAGER": "1"}


def test_escapes_are_no_factors(tmp_path: Path) -> None:
    """$${F:-x} reaches the container unchanged, so it is not a factor. One after an escaped dollar is."""
    assert factors(tmp_path, "$${NOT:-1}", '"$$$${NOT2:-1}"', "$$${YES:-2}", "$$HOME") == {"YES": "2"}


def test_comments_are_no_factors(tmp_path: Path) -> None:
    """Text in a comment is not a factor: setting it would change nothing."""
    values = ("${A:-1}  # as ${OLD:-2} was", '"no # comment ${B:-3}"')
    assert factors(tmp_path, *values) == {"A": "1", "B": "3"}
    text = COMPOSE.replace("services:", "# ${NONE:-5}\n  # ${NONE_EITHER:-6}\nservices:")
    lay_out(tmp_path / "other", compose=text)
    assert set(loader.load(tmp_path / "other", "blink").factors) == {"RELEASE", "WORKERS"}


def test_factors_in_blocks_that_services_share(tmp_path: Path) -> None:
    """A factor in a YAML anchor that a service merges counts."""
    text = COMPOSE.replace("services:", "x-shared: &shared\n  mem_limit: ${MEMORY:-1g}\nservices:")
    text = text.replace("    image:", "    <<: *shared\n    image:")
    assert set(load(tmp_path, compose=text).factors) == {"MEMORY", "RELEASE", "WORKERS"}


def test_an_unknown_factor_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    """A misspelt factor would silently run the documented stack."""
    message = load_error(tmp_path, lamp=EXPERIMENT.replace('"RELEASE"', '"RELAESE"'))
    assert "scenarios/blink/lamp.py, variant old: blink has no factor RELAESE (did you mean RELEASE?)" in message
    assert "expected: one of RELEASE (1.0), WORKERS (2)" in message


def test_without_a_close_name_nothing_is_suggested(tmp_path: Path) -> None:
    """The message has no suggestion then."""
    assert "did you mean" not in load_error(tmp_path, lamp=EXPERIMENT.replace('"RELEASE"', '"XYZ"'))


# -- compose.yaml ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (COMPOSE.replace("title:", "titel:"), "unknown key x-reprolab.titel (did you mean title?)"),
        (COMPOSE.replace("  title:", "  verdict: x\n  title:"), "unknown key x-reprolab.verdict"),
        (COMPOSE.replace("  document: {title: doc-1}\n", ""), "x-reprolab.document is missing"),
        (COMPOSE.replace("a server that blinks", '""'), "x-reprolab.title is missing"),
        (COMPOSE.replace("x-reprolab", "x-other"), "has no x-reprolab block"),
        ("x-reprolab: text\nservices: {a: {}}", "has no x-reprolab block"),
        (COMPOSE.split("services:")[0], "has no services"),
        ("services: []", "has no services"),
        ("", "has no services"),
        (COMPOSE.replace("blink-app:", "blink-server:"), "has no service blink-app"),
        (f"{COMPOSE}  redis:\n    image: redis:7\n", "the service redis lacks the scenario's name"),
        ("a: [", "is not YAML"),
    ],
)
def test_malformed_compose_files(tmp_path: Path, text: str, expected: str) -> None:
    """The message names the file and what is wrong in it."""
    message = load_error(tmp_path, compose=text)
    assert message.startswith("scenarios/blink/compose.yaml")
    assert expected in message


def test_unknown_keys_are_answered_with_the_known_ones(tmp_path: Path) -> None:
    """The message lists the known keys."""
    message = load_error(tmp_path, compose=COMPOSE.replace("  title:", "  x: 1\n  title:"))
    assert "expected: one of title, summary, finding, document, headline, answer, values, when" in message


# -- server, kind and releases -------------------------------------------------------------------


def with_keys(*lines: str) -> str:
    """The small scenario's compose.yaml with further lines in x-reprolab."""
    assert "  document: {title: doc-1}\n" in COMPOSE
    return COMPOSE.replace("  document: {title: doc-1}\n", "  document: {title: doc-1}\n  " + "\n  ".join(lines) + "\n")


def test_servers_kinds_and_releases(tmp_path: Path) -> None:
    """One text or a list; a scenario without them has none."""
    lines = ("server: [gunicorn, nginx]", "kind: lost request", 'releases: {documented: "1.0", old: "0.9"}')
    entry = load(tmp_path / "a", compose=with_keys(*lines)).catalogue
    assert entry == CatalogueEntry(("gunicorn", "nginx"), ("lost request",), {"documented": "1.0", "old": "0.9"})
    assert load(tmp_path / "b").catalogue == CatalogueEntry()
    named = load(tmp_path / "c", compose=with_keys('releases: {old: "CPython 0.9"}'))
    assert named.catalogue.releases == {"old": "CPython 0.9"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("server: []", "x-reprolab.server is []"),
        ("server: {gunicorn: 1}", "x-reprolab.server is {'gunicorn': 1}"),
        ("server: uwsgi", "x-reprolab.server is 'uwsgi'\n  expected: the spelling uWSGI"),
        ("kind: hangs", "x-reprolab.kind names 'hangs' (did you mean hang?)"),
        ("kind: [hang, 3]", "x-reprolab.kind is ['hang', 3]"),
        (
            "kind: slow",
            "expected: one or more of hang, lost request, wrong answer, security, leak, start, stop, settings",
        ),
        ("releases: [documented]", "x-reprolab.releases is ['documented']"),
        ("releases: {documented: 1.0}", "x-reprolab.releases.documented is 1.0"),
        ("releases: {documented: newest}", "x-reprolab.releases.documented is 'newest'"),
        ('releases: {older: "0.9"}', "names 'older', no variant of the main claim's experiment"),
        ('releases: {old: "0.8"}', "x-reprolab.releases.old is '0.8', and no factor has that value there"),
        ('releases: {documented: "1.0", old: "CPython 0.9"}', "has releases of 2 projects: CPython, the server"),
    ],
)
def test_malformed_server_kind_or_releases(tmp_path: Path, line: str, expected: str) -> None:
    """Each mistake with its place, and the kinds there are."""
    assert expected in load_error(tmp_path, compose=with_keys(line))


def test_releases_need_a_main_claim(tmp_path: Path) -> None:
    """With two claims and no answer it is not said whose sign is counted."""
    second = EXPERIMENT.replace("CLAIMS = [", 'CLAIMS = [Claim("B-2", "It blinks.", sign=blinked, shows=["old"]), ')
    error = load_error(tmp_path / "a", compose=with_keys('releases: {old: "0.9"}'), experiment=second)
    assert "x-reprolab.releases needs a main claim" in error
    answered = with_keys('releases: {old: "0.9"}', "answer: {B-2: it blinks}")
    scenario = load(tmp_path / "b", compose=answered, experiment=second)
    assert scenario.main_claim is not None and scenario.main_claim.id == "B-2"


def test_where_a_case_is_listed_does_not_change_its_digest(tmp_path: Path) -> None:
    """A run on record stays of the same case when these keys are added."""
    plain = load(tmp_path / "a").directory
    listed = load(tmp_path / "b", compose=with_keys("server: nginx", "kind: stop", 'releases: {old: "0.9"}')).directory
    assert case_digest(plain) == case_digest(listed)


@pytest.mark.parametrize("name", loader.names(ROOT))
def test_every_scenario_says_its_server_and_kind(name: str) -> None:
    """Else the site's filters and the READMEs' table would leave it out."""
    entry = loader.load(ROOT, name).catalogue
    assert entry.servers and entry.kinds, f"scenarios/{name}/compose.yaml: give x-reprolab a server and a kind"


# -- the document and the headline ----------------------------------------------------------------


def with_document(document: str, *more: str) -> str:
    """The small scenario's compose.yaml with another document block, and further lines in x-reprolab."""
    lines = "".join(f"  {line}\n" for line in (f"document: {document}", *more))
    return COMPOSE.replace("  document: {title: doc-1}\n", lines)


def test_the_fields_of_a_document(tmp_path: Path) -> None:
    """Every field is text, also a date, which YAML would convert. A missing field is empty."""
    block = (
        "{id: d1, title: 設定, author: A. Writer, date: 2021-06-09, language: Japanese, "
        "url: 'https://example.org/a', licence: CC0}"
    )
    document = load(tmp_path, compose=with_document(block)).document
    assert document == Document(
        "設定", "A. Writer", "2021-06-09", "Japanese", url="https://example.org/a", licence="CC0", id="d1"
    )
    assert document.citation == "“設定”, A. Writer, 2021-06-09, Japanese"
    assert document.short == "設定 (A. Writer, 2021)"
    assert (Document("設定").citation, Document("設定").short) == ("“設定”", "設定")


def test_the_forms_of_a_date(tmp_path: Path) -> None:
    """A year alone, a month, the day of the last change."""
    for number, date in enumerate(("2021", "2021-06", "2023-01-27 (last change)")):
        compose = with_document(f"{{title: x, date: {date}}}")
        assert load(tmp_path / str(number), compose=compose).document.date == date


def test_the_finding_in_one_sentence(tmp_path: Path) -> None:
    """It is read by language; a scenario without a finding has none."""
    scenario = load(tmp_path / "a", compose=with_document("{title: x}", "headline: {en: It blinks., ko: 깜빡입니다.}"))
    assert scenario.headline == {"en": "It blinks.", "ko": "깜빡입니다."}
    assert load(tmp_path / "b").headline == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (with_document("doc-1"), "x-reprolab.document is 'doc-1'"),
        (with_document("{titel: x}"), "x-reprolab.document: unknown key titel (did you mean title?)"),
        (with_document("{title: x, pages: 3}"), "x-reprolab.document: unknown key pages"),
        (with_document("{author: x}"), "x-reprolab.document.title is missing"),
        (with_document("{title: [x]}"), "x-reprolab.document.title is ['x']"),
        (with_document("{title: x, date: last week}"), "x-reprolab.document.date is 'last week'"),
        (with_document("{title: x, date: 27.1.2023}"), "x-reprolab.document.date is '27.1.2023'"),
        (with_document("{title: x, url: example.org}"), "x-reprolab.document.url is 'example.org'"),
        (with_document("{title: x}", "headline: It blinks."), "x-reprolab.headline is 'It blinks.'"),
        (with_document("{title: x}", "headline: {ko: 깜빡입니다.}"), "x-reprolab.headline.en is missing"),
        (with_document("{title: x}", "headline: {en: x, de: x}"), "x-reprolab.headline: unknown key de"),
    ],
)
def test_a_malformed_document_or_headline(tmp_path: Path, text: str, expected: str) -> None:
    """The message names the key and the allowed values."""
    message = load_error(tmp_path, compose=text)
    assert f"scenarios/blink/compose.yaml: {expected}" in message
    assert "expected: " in message


# -- experiment files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("TRIALS = 3\n", "", "does not define TRIALS"),
        ("def drive", "def ride", "does not define drive"),
        ("VARIANTS =", "CHANGES =", "does not define VARIANTS"),
        ("CLAIMS =", "C =", "does not define CLAIMS"),
        ("TRIALS = 3", "TRIALS = 0", "TRIALS is 0"),
        ("TRIALS = 3", 'TRIALS = "3"', "TRIALS is '3'"),
        ('{"documented": {}, "old": {"RELEASE": "0.9"}}', "{}", "VARIANTS is {}"),
        ('{"documented": {}, "old": {"RELEASE": "0.9"}}', '["documented"]', "VARIANTS is ['documented']"),
        ('"old": {"RELEASE": "0.9"}', '"old": None', "the variant old is None"),
        ('"old": {', '"custom": {', "the variant name 'custom' is reserved for factors that a user sets"),
        ('"old": {', '"../old": {', "'../old' is not a variant name"),
        ('absent=["old"]', 'absent=["odl"]', "B-1 names the variant 'odl', which VARIANTS lacks (did you mean old?)"),
        ('absent=["old"]', 'absent=["documented"]', "both to show and to be absent"),
        ('shows=["documented"], absent=["old"]', "", "B-1 names no variant"),
        ('shows=["documented"]', 'shows="documented"', "TypeError: shows is 'documented'"),
        ("CLAIMS = [Claim(", "CLAIMS = ['B-1'] or [Claim(", "CLAIMS holds 'B-1'"),
        ("CLAIMS = [Claim(", "CLAIMS = None and [Claim(", "CLAIMS is None"),
        ('"It blinks since 1.0.", sign=blinked,', "", "TypeError"),
        ("import Claim,", "import Clam,", "ImportError"),
        ("TRIALS = 3", "TRIALS = 1 / 0", "ZeroDivisionError"),
        ("TRIALS = 3", "TRIALS = (", "is not valid Python"),
    ],
)
def test_malformed_experiments(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """Each mistake is a UsageError that names the file."""
    assert old in EXPERIMENT
    message = load_error(tmp_path, lamp=EXPERIMENT.replace(old, new))
    assert expected in message
    assert "blink/lamp.py" in message


def test_two_claims_of_one_id(tmp_path: Path) -> None:
    """Ids are unique over all experiments of a scenario: verdicts are recorded by them."""
    assert "two claims have the id B-1" in load_error(tmp_path, lamp=EXPERIMENT, bulb=EXPERIMENT)


def test_a_pointer_to_no_claim(tmp_path: Path) -> None:
    """A claim's limit must be a claim of the same scenario."""
    text = EXPERIMENT.replace('absent=["old"])', 'absent=["old"], but=["B-7"])', 1)
    assert text != EXPERIMENT
    assert "B-1 points to B-7, which is not one of its claims" in load_error(tmp_path, lamp=text)


def test_a_scenario_without_experiment(tmp_path: Path) -> None:
    """The message says what is missing."""
    message = load_error(tmp_path, app="print('hello')\n")
    assert message.startswith("scenarios/blink has no experiment")
    assert "VARIANTS, TRIALS, CLAIMS, drive" in message


def test_files_for_the_containers_are_never_run(tmp_path: Path) -> None:
    """Files of the application in the same directory are neither run nor checked."""
    lay_out(
        tmp_path,
        lamp=EXPERIMENT,
        app="raise SystemExit('the application was executed')\n",
        config="bind = '0.0.0.0'\nworkers = 5\n",
        old="print 'Python 2'\n",
    )
    (tmp_path / "scenarios" / "blink" / "latin.py").write_bytes(b"# \xe9\n")
    assert set(loader.load(tmp_path, "blink").experiments) == {"lamp"}


def test_annotated_definitions_count(tmp_path: Path) -> None:
    """An experiment may have type hints; the message for an incomplete one names what is missing."""
    text = EXPERIMENT.replace("TRIALS =", "TRIALS: int =").replace("CLAIMS =", "CLAIMS: list[Claim] =")
    text = text.replace("VARIANTS =", "VARIANTS: dict[str, dict[str, str]] =")
    assert load(tmp_path, lamp=text).experiments["lamp"].trials == 3
    message = load_error(tmp_path / "other", lamp="TRIALS: int = 3\nVARIANTS: dict = {}\n")
    assert "does not define CLAIMS, drive" in message


def test_two_scenarios_may_use_the_same_file_names(tmp_path: Path) -> None:
    """Each experiment is a module of its own; loading one does not replace the other."""
    lay_out(tmp_path, "a", lamp=EXPERIMENT.replace("TRIALS = 3", "TRIALS = 4"))
    lay_out(tmp_path, "b", lamp=EXPERIMENT.replace("TRIALS = 3", "TRIALS = 5"))
    assert [loader.load(tmp_path, name).experiments["lamp"].trials for name in ("a", "b")] == [4, 5]
    assert "lamp" not in sys.modules


@pytest.mark.parametrize("name", ["blnk", "../blink", "", "nothing-like-it"])
def test_an_unknown_scenario(tmp_path: Path, name: str) -> None:
    """The message lists the known names and suggests the closest one."""
    lay_out(tmp_path)
    with pytest.raises(UsageError, match="no scenario") as caught:
        loader.load(tmp_path, name)
    assert caught.value.expected == "one of blink"
    assert ("did you mean blink?" in str(caught.value)) == (name in ("blnk", "../blink"))


def test_claims_keep_their_variants_in_order() -> None:
    """Lists become tuples, so that a claim cannot change later."""
    shows = ["b", "a"]
    claim = Claim("X", "text", sign=bool, shows=shows, absent=["c"])  # type: ignore[arg-type]
    shows.append("d")
    assert claim.shows == ("b", "a")
    assert list(claim.expectations.items()) == [("b", True), ("a", True), ("c", False)]


def test_a_file_with_one_such_name_is_no_experiment(tmp_path: Path) -> None:
    """A container's file may define drive or TRIALS; it is not imported."""
    loaded = load(tmp_path, lamp=EXPERIMENT, worker="raise SystemExit(9)\n\ndef drive(car):\n    pass\n")
    assert list(loaded.experiments) == ["lamp"]


def test_an_experiment_that_exits_at_import_is_malformed(tmp_path: Path) -> None:
    """Its exit status must not become the exit status of the lab."""
    assert "SystemExit" in load_error(tmp_path, lamp=EXPERIMENT + "\nraise SystemExit(0)\n")


def test_a_factor_without_a_value_is_refused(tmp_path: Path) -> None:
    """Compose would use the documented value instead, without a message."""
    loaded = load(tmp_path, lamp=EXPERIMENT)
    name = next(iter(loaded.factors))
    with pytest.raises(UsageError, match="has no value"):
        loaded.check_factors({name: ""}, "--set")


def test_experiments_of_a_scenario_share_a_module(tmp_path: Path) -> None:
    """`from .common import x` works; the same scenario of another checkout has its own module."""
    lamp = "from .common import SHOWN\n" + EXPERIMENT.replace('{"blinked": True}', '{"blinked": SHOWN}')
    for number in (1, 2):
        directory = lay_out(tmp_path / str(number), lamp=lamp, common=f"SHOWN = {number}\n")
        assert directory.is_dir()
        scenario = loader.load(tmp_path / str(number), "blink")
        assert list(scenario.experiments) == ["lamp"]
        assert scenario.experiments["lamp"].drive(None) == {"blinked": number}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("soket", "socket-vanish"),
        ("socketvanish", "socket-vanish"),
        ("vanish", "socket-vanish"),
        ("pool", "pool-freeze"),
    ]
    + [(name, "") for name in ("zzz", "a", "", "bulb")],
)
def test_a_near_name_is_found_by_its_parts_too(name: str, expected: str) -> None:
    """A part that only one name has identifies it. A part that several share, or none, does not."""
    known = ["pool-freeze", "socket-vanish", "bulb-of-the-first-lamp", "bulb-of-the-other-lamp"]
    assert near(name, known) == expected
    assert hint(name, known) == (f" (did you mean {expected}?)" if expected else "")
