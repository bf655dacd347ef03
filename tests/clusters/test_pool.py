"""The pool is the same for all, and a cluster never takes its own intent from it."""

from monogram.clusters.cluster import typed, words
from monogram.clusters.corpus import exams, unrelated
from monogram.clusters.expand import expand
from monogram.clusters.pool import apart, contrast_of, pool
from monogram.clusters.table import table
from monogram.preferences import Preference


def norm(text: str) -> str:
    return " ".join(words(text))


def test_every_attribute_and_every_unrelated_prompt_is_in_it() -> None:
    assert {entry.owner for entry in pool()} == {"", *table().names}
    nobodys = {entry.phrasing.text for entry in pool() if not entry.owner}
    assert {*exams(), *unrelated()} < nobodys < {*exams(), *unrelated(), *map(typed, unrelated())}
    assert all(entry.phrasing.kind == "contrast" for entry in pool())
    assert len(set(pool())) == len(pool())


def test_what_others_hold_out_is_not_in_it() -> None:
    texts = {norm(entry.phrasing.text) for entry in pool()}
    for a in table():
        probes = (*a.ask[-2:], *a.roundabout[-2:], *a.recommend[-2:])
        assert not texts & {norm(text) for text in probes}, a.name


def test_no_cluster_takes_its_own_intent_from_it() -> None:
    for a in table():
        for name in (a.name, a.synonyms[0]):
            c = expand(Preference(name, "Xyz"))
            taken = [pool()[place] for part in contrast_of(c) for place in part]
            assert a.name not in {entry.owner for entry in taken}
            own = {norm(p.text) for p in (*c.train, *c.probe)}
            assert not own & {norm(entry.phrasing.text) for entry in taken}, a.name


def test_near_attributes_give_their_asks_but_not_their_advice() -> None:
    hobby = table().find("hobby")
    assert hobby is not None
    close = {a.name for a in table() if a.name in hobby.near or "hobby" in a.near} - {"hobby"}
    asks, others, _ = contrast_of(expand(Preference("hobby", "Hiking")))
    assert close <= {pool()[place].owner for place in asks}
    assert close <= {pool()[place].owner for place in others}
    assert {pool()[p].kind for p in others if pool()[p].owner in close} == {"ask"}
    assert {pool()[p].kind for p in others} == {"ask", "roundabout", "recommend"}


def test_the_parts_are_plain_asks_other_phrasings_and_unrelated_prompts() -> None:
    asks, others, nobodys = contrast_of(expand(Preference("hobby", "Hiking")))
    assert len({*asks, *others, *nobodys}) == len(asks) + len(others) + len(nobodys)
    texts = [pool()[place].phrasing.text for place in asks]
    plain = {text for text in texts if text.startswith("What's my ")}
    assert len(plain) == len(table()) - 1
    assert set(texts) == plain | set(map(typed, plain))
    assert {pool()[place].owner for place in nobodys} == {""}


def test_an_attribute_of_ones_own_takes_everything() -> None:
    parts = contrast_of(expand(Preference("shoe size of my horse", "44")))
    assert sorted(place for part in parts for place in part) == list(range(len(pool())))


def test_what_is_going_to_be_asked_does_not_train_as_contrast_either() -> None:
    c = expand(Preference("hobby", "Hiking"))
    asks, others, _ = contrast_of(c)
    evaluated = [pool()[place].phrasing.text for place in (asks[0], others[0])]
    fewer = contrast_of(c.without(evaluated, 1.0))
    assert asks[0] not in fewer[0]
    assert others[0] not in fewer[1]


def test_what_a_persons_other_preferences_are_asked_with_is_held_apart() -> None:
    hobby, job = (expand(Preference(a, "Xyz")) for a in ("hobby", "job"))
    asks, rest = apart(hobby, job)
    assert [job.train[place].kind for place in asks] == ["ask"] * len(job.of_kind("ask"))
    assert {job.train[place].kind for place in rest} == {"roundabout", "recommend"}
    assert len(asks) + len(rest) == len(job.train)


def test_what_two_preferences_share_may_fire_both() -> None:
    hobby, again, sport = (expand(Preference(a, "Xyz")) for a in ("hobby", "pastime", "sport"))
    asks, rest = apart(hobby, again)
    own = {p.text for p in hobby.train}
    assert not own & {again.train[place].text for place in (*asks, *rest)}
    assert {again.train[place].kind for place in (*asks, *rest)} <= {"ask"}
    asks, rest = apart(hobby, sport)  # near: asks tell them apart, advice may be of both
    assert asks
    assert rest == []
