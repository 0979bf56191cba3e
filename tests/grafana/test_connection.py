"""What goes wrong between here and Grafana: said in plain words, tried again where safe, never lost."""

import re
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from dashboards.connection import Address, Grafana, is_open_wire
from dashboards.errors import ConflictError, GrafanaError, NotFoundError, UnansweredError
from dashboards.provision import Wanted, push
from dashboards.steps import Step
from tests.grafana.fake import ADMIN, VIEWER, FakeGrafana, Request, Trouble, running

WANTED = Wanted(rules=False)


def anything(_: Request) -> bool:
    return True


def a_write(request: Request) -> bool:
    return request.writes


def saving(uid: str) -> Callable[[Request], bool]:
    def matches(request: Request) -> bool:
        return request.path == "/api/dashboards/db" and request.body["dashboard"]["uid"] == uid

    return matches


def create_folder(grafana: Grafana) -> object:
    return grafana.write(lambda: grafana.face.folder.create_folder("T", "t"), "create the folder T")


def pushed(grafana: Grafana) -> list[Step]:
    return list(push(grafana, WANTED))


# What Grafana refuses


@pytest.mark.parametrize(
    ("refusal", "kind", "text"),
    [
        (
            (400, b'{"message": "bad title"}'),
            GrafanaError,
            "cannot create the folder T: .* with 400 .bad title.",
        ),
        ((401, b'{"message": "Invalid API key"}'), GrafanaError, "does not accept the token .*grafana_token"),
        (
            (403, b'{"message": "no"}'),
            GrafanaError,
            "the token may not create the folder T .no.: .* role Editor",
        ),
        (
            (404, b'{"message": "Not found"}'),
            NotFoundError,
            "no such thing .Not found.; is grafana_url right",
        ),
        ((409, b'{"message": "exists"}'), ConflictError, "holds something else there .exists."),
        ((412, b'{"status": "version-mismatch"}'), ConflictError, "changed meanwhile: run the command again"),
        ((412, b'{"status": "name-exists"}'), ConflictError, "its name or uid is taken"),
        ((412, b'{"status": "plugin-dashboard"}'), ConflictError, "it belongs to a plugin"),
        ((412, b'{"status": "brand-new"}'), ConflictError, "holds something else there"),
        ((413, b"<html>too large</html>"), GrafanaError, r"cannot create the folder T: .* with 413$"),
        ((422, b"[]"), GrafanaError, r"with 422$"),
        ((500, b'{"message": "db is locked"}'), UnansweredError, "Grafana failed with 500 .db is locked."),
        ((502, b"<html>bad gateway</html>"), UnansweredError, r"Grafana failed with 502$"),
    ],
)
def test_a_refusal_is_said_in_plain_words(
    refusal: tuple[int, bytes], kind: type[GrafanaError], text: str, fake: FakeGrafana, grafana: Grafana
) -> None:
    fake.trouble.append(Trouble(a_write, *refusal))
    with pytest.raises(kind, match=text) as caught:
        create_folder(grafana)
    assert type(caught.value) is kind
    assert ADMIN not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(fake.writes) == 1


@pytest.mark.parametrize(
    "body", [b"null", b"3", b'"message"', b'{"message": null}', b'{"message": {}}', b"\xff"]
)
def test_whatever_is_in_the_body_of_an_error(fake: FakeGrafana, grafana: Grafana, body: bytes) -> None:
    fake.trouble.append(Trouble(a_write, 400, body))
    with pytest.raises(GrafanaError, match="refuses it with 400"):
        create_folder(grafana)


def test_what_grafana_says_cannot_move_a_cursor(fake: FakeGrafana, grafana: Grafana) -> None:
    fake.trouble.append(Trouble(a_write, 400, b'{"message": "a\\u001b[2Jb\\n\\u202ec' + b"d" * 900 + b'"}'))
    with pytest.raises(GrafanaError) as caught:
        create_folder(grafana)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_a_wrong_token(fake: FakeGrafana) -> None:
    stranger = Grafana(Address(fake.url, "glsa_nobody"), sleep=lambda _: None)
    with pytest.raises(GrafanaError, match=r"does not accept the token \(Invalid API key\)") as caught:
        pushed(stranger)
    assert "glsa_nobody" not in str(caught.value)


def test_a_token_that_may_only_look(fake: FakeGrafana) -> None:
    viewer = Grafana(Address(fake.url, VIEWER), sleep=lambda _: None)
    with pytest.raises(GrafanaError, match=r"may not create the folder narrawatch .*role Editor"):
        pushed(viewer)


@pytest.mark.parametrize("token", ["", "with space", "line\nbreak", "café", "tab\t"])
def test_what_is_no_token_is_refused_before_it_goes_anywhere(fake: FakeGrafana, token: str) -> None:
    with pytest.raises(GrafanaError, match="grafana_token is empty or holds what no token has") as caught:
        Grafana(Address(fake.url, token))
    assert not token or token not in str(caught.value)
    assert fake.requests == []


# What may pass


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_reading_is_tried_again(fake: FakeGrafana, grafana: Grafana, naps: list[float], status: int) -> None:
    fake.trouble.append(Trouble(anything, status, times=3))
    assert grafana.find("/folders/t", "look") is None
    assert naps == [0.5, 1, 2]
    assert len(fake.requests) == 4


def test_but_not_for_ever(fake: FakeGrafana, grafana: Grafana) -> None:
    fake.trouble.append(Trouble(anything, 503, times=99))
    with pytest.raises(UnansweredError, match="cannot look: Grafana failed with 503"):
        grafana.find("/folders/t", "look")
    assert len(fake.requests) == 4


@pytest.mark.parametrize("status", [429, 503])
def test_writing_waits_for_as_long_as_grafana_asks(
    fake: FakeGrafana, grafana: Grafana, naps: list[float], status: int
) -> None:
    fake.trouble.append(Trouble(a_write, status, headers=(("Retry-After", "7"),)))
    create_folder(grafana)
    assert naps == [7]


def test_but_no_longer_than_half_a_minute(fake: FakeGrafana, grafana: Grafana, naps: list[float]) -> None:
    for header in ("86400", "Sat, 28 Nov 2026 00:00:00 GMT", "-1"):
        fake.trouble.append(Trouble(a_write, 429, headers=(("Retry-After", header),)))
    create_folder(grafana)
    assert naps == [30, 1, 2]


def test_slowing_down_for_good_is_said(fake: FakeGrafana, grafana: Grafana) -> None:
    fake.trouble.append(Trouble(a_write, 429, times=99))
    with pytest.raises(GrafanaError, match="asks to slow down"):
        create_folder(grafana)


@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.parametrize(
    "loss",
    [
        Trouble(a_write, 500),
        Trouble(a_write, 504),
        Trouble(a_write, hang_up=True),
        Trouble(a_write, seconds=0.8),
    ],
    ids=["500", "504", "hang-up", "time-out"],
)
def test_a_lost_answer_neither_loses_nor_repeats_a_write(
    fake: FakeGrafana, loss: Trouble, arrived: bool
) -> None:
    grafana = Grafana(Address(fake.url, ADMIN, timeout_seconds=0.3), sleep=lambda _: None)
    uid = "narrawatch-watches"
    fake.trouble.append(loss._replace(match=saving(uid), after=arrived))
    steps = {step.name: step for step in pushed(grafana) if step.kind == "dashboard"}
    assert steps[uid].action == "create"
    assert [one["version"] for one in fake.boards.history[uid]] == [1]
    assert {step.action for step in pushed(grafana)} == {"leave"}


def test_answers_that_are_always_lost_are_said(fake: FakeGrafana, grafana: Grafana) -> None:
    fake.trouble.append(Trouble(saving("narrawatch-watches"), 500, times=99))
    with pytest.raises(UnansweredError, match="cannot create the dashboard narrawatch-watches"):
        pushed(grafana)
    assert "narrawatch-watches" not in fake.boards.dashboards


def test_a_time_out_is_said_with_its_length(fake: FakeGrafana) -> None:
    grafana = Grafana(Address(fake.url, ADMIN, timeout_seconds=0.1), sleep=lambda _: None)
    fake.trouble.append(Trouble(a_write, seconds=0.5))
    with pytest.raises(UnansweredError, match=r"did not answer within 0\.1 s"):
        create_folder(grafana)


def test_nobody_there(naps: list[float]) -> None:
    grafana = Grafana(Address("http://127.0.0.1:9", ADMIN), sleep=naps.append)
    with pytest.raises(GrafanaError, match=r"http://127.0.0.1:9 cannot be reached \(.*refused\)"):
        create_folder(grafana)
    assert len(naps) == 3  # nothing was sent: it is safe to try again


# What is not Grafana


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(fake: FakeGrafana, grafana: Grafana, status: int) -> None:
    with running(FakeGrafana()) as other:
        location = (("Location", f"{other.url}/api/folders"),)
        fake.trouble.append(Trouble(anything, status, b"", location, times=2))
        with pytest.raises(GrafanaError, match=rf"sends on to {other.url}.*set grafana_url"):
            create_folder(grafana)
        with pytest.raises(GrafanaError, match="sends on to"):
            grafana.find("/folders/t", "look")
        assert other.requests == []  # neither the token nor anything else went there


@pytest.mark.parametrize("body", [b"<html>Log in</html>", b"{", b"\xff\xfe"])
def test_a_page_in_place_of_an_answer(fake: FakeGrafana, grafana: Grafana, body: bytes) -> None:
    fake.trouble.append(Trouble(anything, 200, body))
    with pytest.raises(GrafanaError, match="does not answer like Grafana"):
        grafana.find("/folders/t", "look")


@pytest.mark.parametrize("body", [b"{}", b"[]", b"[3]", b"3", b'"text"', b"true", b'{"dashboard": {}}'])
@pytest.mark.parametrize(
    "path",
    ["datasources/uid", "dashboards/uid", "versions", "search", "alert-rules/narrawatch-lag", "alert-rules$"],
)
def test_json_of_something_else(fake: FakeGrafana, grafana: Grafana, path: str, body: bytes) -> None:
    list(push(grafana, Wanted()))

    def matches(request: Request) -> bool:
        found = re.search(path, request.path)
        return found is not None and ("versions" in request.path) is (path == "versions")

    harmless = {("search", b"[]"), ("alert-rules$", b"[]"), ("versions", b"[]")}
    fake.trouble.append(Trouble(matches, 200, body))
    fake.forget_requests()
    if (path, body) in harmless:
        list(push(grafana, Wanted()))
    else:
        with pytest.raises(GrafanaError, match="does not answer like Grafana"):
            list(push(grafana, Wanted()))
    assert fake.writes == []


@pytest.mark.parametrize("status", [200, 204])
def test_an_empty_answer_is_success(fake: FakeGrafana, grafana: Grafana, status: int) -> None:
    fake.trouble.append(Trouble(a_write, status, b""))
    assert create_folder(grafana) is None
    assert len(fake.writes) == 1


def test_the_connection_goes_on_after_a_204(fake: FakeGrafana, grafana: Grafana) -> None:
    grafana.write(lambda: grafana.face.api.DELETE("/v1/provisioning/alert-rules/x"), "delete x")
    assert grafana.find_all("/v1/provisioning/alert-rules", "list") == []


# Addresses and certificates


def test_a_path_before_the_api(fake: FakeGrafana) -> None:
    below = Grafana(Address(f"{fake.url}/monitoring/grafana/", ADMIN), sleep=lambda _: None)
    below.find("/folders/t", "look")
    assert fake.requests[0].path == "/monitoring/grafana/api/folders/t"


@pytest.mark.parametrize(
    ("url", "api"),
    [
        ("http://[::1]:3000", "http://[::1]:3000/api"),
        ("https://grafana.example", "https://grafana.example/api"),
        ("https://grafana.example:8443/g", "https://grafana.example:8443/g/api"),
    ],
)
def test_addresses_of_all_kinds(url: str, api: str) -> None:
    assert Grafana(Address(url, ADMIN)).face.api.url == api


@pytest.mark.parametrize(
    ("url", "is_open"),
    [
        ("http://127.0.0.1:3000", False),
        ("http://localhost", False),
        ("http://[::1]:3000", False),
        ("https://grafana.example", False),
        ("http://grafana.example", True),
        ("http://127.0.0.1.example", True),
    ],
)
def test_a_token_on_an_open_wire_is_noticed(url: str, is_open: bool) -> None:
    assert is_open_wire(url) is is_open


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_certificate_of_nobody_we_know(tls: ssl.SSLContext, naps: list[float]) -> None:
    with running(FakeGrafana(), tls) as fake:
        grafana = Grafana(Address(fake.url, ADMIN), sleep=naps.append)
        with pytest.raises(
            GrafanaError, match=r"certificate of https://.* is not to be trusted.*grafana_cafile"
        ):
            grafana.find("/folders/t", "look")
        assert fake.requests == []
        assert naps == []  # it will not be trusted the next time, either


def test_a_certificate_of_an_authority_that_is_named(
    tls: ssl.SSLContext, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with running(FakeGrafana(), tls) as fake:
        address = Address(fake.url, ADMIN, ca_file=str(tmp_path / "ca.pem"))
        assert {step.action for step in pushed(Grafana(address))} == {"create"}
