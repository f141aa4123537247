from __future__ import annotations

from dataclasses import replace

import pytest

from federation.control.ports import ResponseStore
from federation.storage.entries import ResponseEntry
from federation.storage.sealing_entries import HoldEntry

NOW = 10_000
NO_LIMIT = 1 << 40


def entry(name: str, *, previous: str = "", writer: str = "", size: int = 10) -> ResponseEntry:
    status = "queued" if writer else "completed"
    return ResponseEntry(
        f"resp_{name}",
        "default",
        f"resp_{previous}" if previous else "",
        status,
        writer,
        1_000,
        20_000,
        size,
        b"sealed " + name.encode(),
    )


def chain(store: ResponseStore, name: str, most: int = 10, most_bytes: int = NO_LIMIT) -> list[str]:
    found = store.chain("default", f"resp_{name}", NOW, most, most_bytes)
    return [each.id.removeprefix("resp_") for each in found]


def test_a_response_is_found_by_its_own_tenant_alone(responses: ResponseStore) -> None:
    assert responses.add(entry("a"), ("msg_1",))
    assert responses.find("default", "resp_a", NOW) == entry("a")
    assert responses.find("other", "resp_a", NOW) is None
    assert responses.find("default", "resp_b", NOW) is None
    assert responses.chain("other", "resp_a", NOW, 10, NO_LIMIT) == []
    assert responses.owners("other", ("msg_1",), NOW) == []
    assert not responses.remove("other", "resp_a", NOW)
    assert not responses.mark("other", "resp_a", "cancelled", over=True)
    assert responses.find("default", "resp_a", NOW) == entry("a")


def test_an_id_is_taken_once(responses: ResponseStore) -> None:
    assert responses.add(entry("a"), ())
    assert not responses.add(replace(entry("a"), sealed=b"another", tenant="other"), ("msg_1",))
    assert responses.find("default", "resp_a", NOW) == entry("a")
    assert responses.owners("other", ("msg_1",), NOW) == []


def test_a_conversation_is_walked_back_to_its_beginning(responses: ResponseStore) -> None:
    for name, previous in (("a", ""), ("b", "a"), ("c", "b"), ("x", "b")):
        responses.add(entry(name, previous=previous), ())
    assert chain(responses, "c") == ["c", "b", "a"]
    assert chain(responses, "x") == ["x", "b", "a"]
    assert chain(responses, "a") == ["a"]
    assert chain(responses, "nobody") == []


def test_a_conversation_is_walked_no_further_than_a_limit(responses: ResponseStore) -> None:
    for at in range(6):
        responses.add(entry(f"n{at}", previous=f"n{at - 1}" if at else "", size=100), ())
    assert chain(responses, "n5", most=3) == ["n5", "n4", "n3"]
    assert chain(responses, "n5", most_bytes=250) == ["n5", "n4", "n3"]
    assert chain(responses, "n5", most=6, most_bytes=600) == ["n5", "n4", "n3", "n2", "n1", "n0"]


def test_a_conversation_never_passes_through_another_tenant(responses: ResponseStore) -> None:
    responses.add(replace(entry("a"), tenant="other"), ())
    responses.add(entry("b", previous="a"), ())
    assert chain(responses, "b") == ["b"]


def test_a_deleted_response_is_gone_with_its_items(responses: ResponseStore) -> None:
    responses.add(entry("a"), ("msg_1",))
    responses.add(entry("b", previous="a"), ("msg_2",))
    assert responses.remove("default", "resp_a", NOW)
    assert not responses.remove("default", "resp_a", NOW)
    assert responses.find("default", "resp_a", NOW) is None
    assert responses.owners("default", ("msg_1",), NOW) == []
    assert chain(responses, "b") == ["b"]


def test_beyond_its_day_a_response_is_absent_before_it_is_swept(responses: ResponseStore) -> None:
    responses.add(entry("a"), ("msg_1",))
    responses.add(replace(entry("b", previous="a"), expires_ms=30_000), ())
    assert responses.find("default", "resp_a", 19_999) is not None
    assert responses.find("default", "resp_a", 20_000) is None
    assert responses.owners("default", ("msg_1",), 20_000) == []
    assert not responses.remove("default", "resp_a", 20_000)
    found = responses.chain("default", "resp_b", 20_000, 10, NO_LIMIT)
    assert [each.id for each in found] == ["resp_b"]


def test_expired_responses_are_swept_some_at_a_time(responses: ResponseStore) -> None:
    for at in range(5):
        responses.add(entry(f"n{at}"), (f"msg_{at}",))
    responses.add(replace(entry("young"), expires_ms=50_000), ("msg_young",))
    assert responses.expire(10_000, 10) == 0
    assert [responses.expire(20_000, 2) for _ in range(4)] == [2, 2, 1, 0]
    assert responses.find("default", "resp_n0", 0) is None
    assert responses.owners("default", ("msg_0", "msg_young"), 0) == [
        replace(entry("young"), expires_ms=50_000)
    ]


def test_what_a_hold_covers_is_not_swept_and_a_buried_one_is_absent(
    responses: ResponseStore,
) -> None:
    for name, subject in (("a", "p_1"), ("b", "p_2"), ("c", "p_1")):
        responses.add(replace(entry(name), subject=subject), ())
    responses.add(replace(entry("d"), tenant="other", subject="p_1"), ())
    person = HoldEntry("hold_1", "default", "p_1", "case", "key_1", 1)
    everyone = HoldEntry("hold_2", "other", "", "case", "key_1", 1)

    assert responses.remove("default", "resp_c", NOW, lambda: (person, everyone))
    assert not responses.remove("default", "resp_c", NOW, lambda: (person, everyone))
    assert not responses.remove("other", "resp_a", NOW, lambda: (person, everyone))
    assert responses.find("default", "resp_c", NOW) is None
    assert responses.expire(20_000, 10, lambda: (person, everyone)) == 1
    assert responses.expire(20_000, 10, lambda: (everyone,)) == 2
    assert responses.find("other", "resp_d", NOW) is not None
    assert responses.expire(20_000, 10) == 1


def test_items_lead_to_the_responses_that_hold_them(responses: ResponseStore) -> None:
    responses.add(entry("a"), ("msg_1", "rs_1", "msg_1"))
    responses.add(entry("b"), ("msg_2",))
    both = responses.owners("default", ("msg_2", "rs_1", "msg_1", "unknown"), NOW)
    assert both == [entry("a"), entry("b")]
    assert responses.owners("default", ("unknown",), NOW) == []


def test_a_name_that_is_used_again_means_the_newest(responses: ResponseStore) -> None:
    responses.add(entry("a"), ("msg_1",))
    responses.add(entry("b"), ("msg_1",))
    assert responses.owners("default", ("msg_1",), NOW) == [entry("b")]


def test_a_running_response_is_finished_once(responses: ResponseStore) -> None:
    responses.add(entry("a", writer="w1"), ())
    assert responses.mark("default", "resp_a", "in_progress", over=False)
    assert responses.running() == [("w1", "resp_a")]
    done = replace(entry("a"), sealed=b"the end", size=99, created_ms=5, expires_ms=6)
    assert responses.finish(done, ("msg_1",))
    assert responses.find("default", "resp_a", NOW) == replace(
        entry("a"), sealed=b"the end", size=99
    )
    assert responses.owners("default", ("msg_1",), NOW) != []
    assert responses.running() == []
    assert not responses.finish(replace(done, sealed=b"again"), ())
    assert not responses.mark("default", "resp_a", "cancelled", over=True)


@pytest.mark.parametrize("gone", ["cancelled", "removed", "never there"])
def test_what_is_over_is_not_finished(responses: ResponseStore, gone: str) -> None:
    if gone != "never there":
        responses.add(entry("a", writer="w1"), ())
    if gone == "cancelled":
        assert responses.mark("default", "resp_a", "cancelled", over=True)
    elif gone == "removed":
        assert responses.remove("default", "resp_a", NOW)
    assert not responses.finish(replace(entry("a"), sealed=b"the end"), ("msg_1",))
    found = responses.find("default", "resp_a", NOW)
    assert found is None or found.status == "cancelled"
    assert responses.owners("default", ("msg_1",), NOW) == []


def test_what_a_dead_writer_left_running_is_given_up(responses: ResponseStore) -> None:
    responses.add(entry("a", writer="w1"), ())
    responses.add(entry("b", writer="w1"), ())
    responses.add(entry("c", writer="w2"), ())
    responses.add(entry("d"), ())
    assert responses.running("w1") == [("w1", "resp_a"), ("w1", "resp_b")]
    assert responses.abandon("w1", "failed") == 2
    assert responses.abandon("w1", "failed") == 0
    assert responses.running() == [("w2", "resp_c")]
    found = responses.find("default", "resp_a", NOW)
    assert found is not None
    assert (found.status, found.writer) == ("failed", "")
