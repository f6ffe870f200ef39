"""A dataset on the Hub: repeated commits, checked contents, one sentence for each error."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from maps.errors import CommitConflictError, HubError, MapsError
from maps.hub.repository import HubDataset, content_digest
from tests.hub.loopback import TOKEN, LoopbackHub

NAME = "tester/ledger"
QUICK = (0.0, 0.0)


@pytest.fixture
def dataset(hub: LoopbackHub) -> HubDataset:
    """A private dataset with one file."""
    hub.add_dataset(NAME, {"a.txt": b"a"}, private=True)
    return HubDataset(NAME, f"{TOKEN}\n", hub.url, QUICK)


def test_files_are_listed_and_read(hub: LoopbackHub, dataset: HubDataset) -> None:
    hub.add_dataset(NAME, {"b.parquet": b"large"})
    head = dataset.read_state()
    assert head is not None
    assert (head.commit, head.is_private) == (hub.repositories["dataset", NAME].head.oid, True)
    assert {path: (file.digest, file.is_large, file.size) for path, file in head.files.items() if path[0] != "."} == {
        "a.txt": (content_digest(b"a"), False, 1),
        "b.parquet": (content_digest(b"large", is_large=True), True, 5),
    }
    assert dataset.read_files(head, ["a.txt", "b.parquet"]) == {"a.txt": b"a", "b.parquet": b"large"}


def test_a_missing_dataset_is_none_until_it_is_created(hub: LoopbackHub) -> None:
    dataset = HubDataset("tester/new", TOKEN, hub.url, QUICK)
    assert dataset.read_state() is None
    for _ in range(2):
        dataset.create(private=True)
    head = dataset.read_state()
    assert head is not None
    assert head.is_private


def test_files_are_added_and_deleted_in_one_commit(hub: LoopbackHub, dataset: HubDataset) -> None:
    made = dataset.commit("Change", {"b.txt": b"b"}, ["a.txt"])
    assert hub.files(NAME) == {"b.txt": b"b"}
    assert [(commit.oid, commit.title) for commit in hub.commits(NAME)][1:] == [(made, "Change")]


@pytest.mark.parametrize("trouble", ["lose_next_reply", "fail_next", "cut_next_reply"])
def test_a_commit_whose_answer_is_lost_is_made_once(hub: LoopbackHub, dataset: HubDataset, trouble: str) -> None:
    order_trouble: Callable[[str], None] = getattr(hub, trouble)
    order_trouble("POST .*/commit/")
    made = dataset.commit("Add", {"b.txt": b"b"})
    assert [commit.oid for commit in hub.commits(NAME)][1:] == [made]
    assert hub.files(NAME) == {"a.txt": b"a", "b.txt": b"b"}


def test_a_commit_after_somebody_elses_is_sent_again_or_refused(hub: LoopbackHub, dataset: HubDataset) -> None:
    head = dataset.read_state()
    assert head is not None
    dataset.commit("First", {"b.txt": b"b"})
    with pytest.raises(
        CommitConflictError, match=r"^Somebody else changed tester/ledger in the meantime; try again\.$"
    ):
        dataset.commit("Second", {"c.txt": b"c"}, parent=head.commit)
    hub.fail_next("POST .*/commit/", 412)
    dataset.commit("Second", {"c.txt": b"c"})
    assert hub.files(NAME) == {"a.txt": b"a", "b.txt": b"b", "c.txt": b"c"}


def test_a_file_that_arrives_damaged_is_read_again(hub: LoopbackHub, dataset: HubDataset) -> None:
    head = dataset.read_state()
    assert head is not None
    hub.cut_next_reply("GET .*a.txt")
    hub.fail_next("GET .*a.txt", 500)
    assert dataset.read_files(head, ["a.txt"]) == {"a.txt": b"a"}
    hub.repositories["dataset", NAME].commits[-1] = type(hub.repositories["dataset", NAME].head)(
        head.commit, "Tampered", {"a.txt": b"b"}
    )
    with pytest.raises(HubError, match=r"^a\.txt of tester/ledger arrived damaged; try again later\.$"):
        dataset.read_files(head, ["a.txt"])


def test_the_history_is_squashed(hub: LoopbackHub, dataset: HubDataset) -> None:
    dataset.commit("Delete", {"b.txt": b"b"}, ["a.txt"])
    dataset.squash_history("One")
    assert [commit.title for commit in hub.repositories["dataset", NAME].commits] == ["One"]
    assert hub.files(NAME) == {"b.txt": b"b"}


@pytest.mark.parametrize(
    ("status", "tries", "sentence"),
    [
        (401, 1, "The Hub does not accept the token for tester/ledger: set HF_TOKEN to one that may write it."),
        (403, 1, "The Hub does not accept the token for tester/ledger: set HF_TOKEN to one that may write it."),
        (404, 1, "The Hub has no dataset tester/ledger that this token may read; check the name and HF_TOKEN."),
        (429, 3, "The Hub asks for fewer requests to tester/ledger; try again later."),
        (503, 3, "The Hub has a problem of its own (status 503 for tester/ledger); try again later."),
        (422, 1, "The Hub refused the request for tester/ledger (status 422); check its page on the Hub."),
    ],
)
def test_refusals_are_one_sentence_each(
    hub: LoopbackHub, dataset: HubDataset, status: int, tries: int, sentence: str
) -> None:
    hub.fail_next("POST .*/commit/", status, times=9)
    with pytest.raises(HubError) as caught:
        dataset.commit("Add", {"b.txt": b"b"})
    assert (str(caught.value), caught.value.status) == (sentence, status)
    assert len(hub.matching_requests("POST .*/commit/")) == tries


def test_an_unreachable_hub_is_reported_in_one_sentence() -> None:
    dataset = HubDataset(NAME, TOKEN, "http://127.0.0.1:9", QUICK)
    with pytest.raises(HubError, match=r"^The Hub cannot be reached for tester/ledger; check the network\.$"):
        dataset.read_state()
    with pytest.raises(HubError, match=r"^'a b' is not a valid name on the Hub; write it as user/name\.$"):
        HubDataset("a b", TOKEN, "http://127.0.0.1:9", QUICK).read_state()


def test_a_wait_that_the_hub_asks_for_is_waited_or_reported(hub: LoopbackHub) -> None:
    hub.add_dataset(NAME, {}, private=True)
    dataset = HubDataset(NAME, TOKEN, hub.url, (0.0,))
    hub.fail_next("POST .*/commit/", 429, retry_after=1)
    start = time.monotonic()
    dataset.commit("Add", {"a": b"a"})
    assert 1 <= time.monotonic() - start < 3
    hub.fail_next("POST .*/commit/", 429, retry_after=3600)
    with pytest.raises(HubError) as caught:
        dataset.commit("Add", {"b": b"b"})
    assert caught.value.retry_after == 3600


def test_a_process_that_ends_does_not_wait(hub: LoopbackHub) -> None:
    hub.add_dataset(NAME, {}, private=True)
    dataset = HubDataset(NAME, TOKEN, hub.url, (60.0, 60.0))
    hub.fail_next("POST .*/commit/", 503, times=2)
    dataset.skip_waits()
    start = time.monotonic()
    dataset.commit("Add", {"a": b"a"})
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("token", ["", " \n", "hf_secret\nX: y", "hf_secré"])
def test_a_token_that_cannot_be_sent_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(MapsError) as caught:
        HubDataset(NAME, token)
    assert str(caught.value) == "The dataset tester/ledger needs a token that may write it; set HF_TOKEN to one."


def test_no_error_shows_the_token(hub: LoopbackHub, dataset: HubDataset) -> None:
    hub.token = "hf_another"  # the old one was revoked
    with pytest.raises(HubError) as caught:
        dataset.commit("Add", {"b.txt": b"b"})
    assert str(caught.value).startswith("The Hub does not accept the token")
    shown = [repr(caught.value), repr(caught.value.__cause__), repr(dataset), str(vars(caught.value))]
    assert [text for text in shown if TOKEN in text] == []
