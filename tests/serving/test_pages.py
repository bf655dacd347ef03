"""The page comes from the server alone; its plot shows what `calibrate` found."""

import re
from collections.abc import Iterator
from importlib.resources import files

import httpx2
import pytest

from monogram.editors.chosen import keep
from monogram.people import Personalizer
from tests.serving.running import Server

NAMES = ("index.html", "style.css", "page.js")


@pytest.fixture
def server(people: Personalizer, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path))
    with Server(people) as running:
        yield running


def test_the_page_and_its_parts_are_served_and_bound_to_this_host(server: Server) -> None:
    for path, kind in (("/", "html"), ("/page/style.css", "css"), ("/page/page.js", "javascript")):
        answer = httpx2.get(server.url + path)
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
        assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_nothing_in_it_comes_from_another_host() -> None:
    for name in NAMES:
        text = files("monogram.serving").joinpath("page", name).read_text(encoding="utf-8")
        assert set(re.findall(r"https?://[^\s\"')]+", text)) <= {"http://www.w3.org/2000/svg"}
        assert "<script>" not in text


def test_the_routes_page_and_all_it_loads_come_from_here(server: Server) -> None:
    page = httpx2.get(f"{server.url}/docs").text
    loads = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(loads) == 3
    for path in loads:
        assert path.startswith("/docs-files/")
        assert httpx2.get(server.url + path).status_code == 200
    assert not re.findall(r"https?://", page)
    for path in ("/docs-files/../app.py", "/docs-files/%2e%2e/core.py", "/docs-files/none"):
        assert httpx2.get(server.url + path).status_code == 404


def test_every_control_has_a_name_that_is_read_out() -> None:
    text = files("monogram.serving").joinpath("page", "index.html").read_text(encoding="utf-8")
    labelled = set(re.findall(r'<label for="(\w+)"', text))
    assert set(re.findall(r'<input id="(\w+)"', text)) == labelled
    for section in re.findall(r"<section[^>]*>", text):
        assert "aria-labelledby" in section


def test_the_plot_is_what_calibrate_found(server: Server) -> None:
    assert httpx2.get(f"{server.url}/v1/frontier").json() == {"candidates": []}
    gates = {"recall": {"value": 0.9}, "leak": {"value": 0.1}}
    tried = [{"settings": {"layer": n, "threshold": 0.0}, "gates": gates} for n in (1, 2)]
    record = {"settings": {"layer": 2, "threshold": 0.0, "value.clamp": 2.0}, "candidates": tried}
    keep(server.service.model.digest, "neuron", record)
    told = httpx2.get(f"{server.url}/v1/frontier").json()["candidates"]
    assert [(one["layer"], one["chosen"]) for one in told] == [(1, False), (2, True)]
    assert told[0]["recall"] == 0.9
