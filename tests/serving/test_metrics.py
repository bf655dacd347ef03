"""Figures say what was asked and what there is to do, and nothing of anybody."""

import httpx2

from monogram.people import Personalizer
from tests.serving.running import QUESTION, Server


def value(text: str, name: str) -> float:
    (found,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(found.rpartition(" ")[2])


def test_figures_count_what_was_done_and_name_nobody(people: Personalizer) -> None:
    people.user("alice").add(attribute="hobby", target="Hiking")
    with Server(people) as server:
        body = {"model": server.service.name, "messages": [{"role": "user", "content": QUESTION}]}
        for user in ("alice", "alice", "bob"):
            more = {"user": user, "max_tokens": 4}
            httpx2.post(f"{server.url}/v1/chat/completions", json=body | more, timeout=30)
        httpx2.get(f"{server.url}/v1/memories?user_id=carol")
        text = httpx2.get(f"{server.url}/metrics").text
    assert 'monogram_requests_total{route="/v1/chat/completions",status="200"} 3.0' in text
    assert 'status="404"' in text
    assert value(text, "monogram_delta_loads_total") == value(text, "monogram_delta_hits_total") == 1
    assert 3 <= value(text, "monogram_tokens_total") <= 12
    assert value(text, "monogram_answers_running") == value(text, "monogram_changes_waiting") == 0
    assert value(text, "monogram_delta_bytes") == people.user("alice").delta().nbytes
    assert not any(word in text.lower() for word in ("alice", "bob", "carol", "hiking"))
