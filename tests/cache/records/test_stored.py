"""Which features a name means."""

from __future__ import annotations

from pathlib import Path

import pytest
from cache_shared import batch_of, digests_of, fill, make_spec, manifest_of, record_of, shards_in

from featx.cache import FeatureStore
from featx.cache.errors import FeaturesNotFoundError
from featx.cache.maintenance.gc import collect_garbage
from featx.cache.maintenance.rm import remove

PHOTOS, PHOTOS2, OTHER_PHOTOS = "photos-0a1b2c3d", "photos2-11223344", "photos-deadbeef"


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """Two sources, of which the newer one's name begins with the older one's."""
    store = FeatureStore(tmp_path / "cache")
    fill(store, PHOTOS, names=range(5))
    fill(store, PHOTOS2, names=range(3, 8))
    return store


def found(store: FeatureStore, name: str) -> str:
    return store.find(name).record.manifest


def test_an_exact_name_goes_before_the_beginning_of_another(store: FeatureStore) -> None:
    fingerprint = make_spec().fingerprint
    for name in ("photos", PHOTOS, f"{PHOTOS}@{fingerprint[:12]}", f"{PHOTOS}@{fingerprint}"):
        assert found(store, name) == PHOTOS
        assert store.find(name, only_one=True).record.manifest == PHOTOS
    for name in ("photos2", "photos2-", PHOTOS2[:9], f"photos2@{fingerprint[:3]}"):
        assert found(store, name) == PHOTOS2


def test_the_path_of_a_source_is_a_name_of_it(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    for name in (f"/photos/{PHOTOS}", f"/photos/{PHOTOS}/", f"./photos/../photos/{PHOTOS}"):
        assert found(store, name) == PHOTOS
    with pytest.raises(FeaturesNotFoundError):
        store.find(f"/other/{PHOTOS}")


@pytest.mark.parametrize("name", ["p", "photo", "tiny", make_spec().fingerprint[:8], "169e"])
def test_what_several_sources_answer_to_is_refused_with_candidates(
    store: FeatureStore, name: str
) -> None:
    with pytest.raises(FeaturesNotFoundError, match="ambiguous") as caught:
        store.open_features(name)
    lines = str(caught.value).splitlines()
    assert lines[1:] == [
        f"  {PHOTOS2}@169eeed1fdab",
        "    tiny, top, avg, 8x8, float32",
        f"    /photos/{PHOTOS2}",
        f"  {PHOTOS}@169eeed1fdab",
        "    tiny, top, avg, 8x8, float32",
        f"    /photos/{PHOTOS}",
    ]


def test_two_sources_of_one_name_in_different_places(store: FeatureStore) -> None:
    fill(store, OTHER_PHOTOS, names=range(2))
    with pytest.raises(FeaturesNotFoundError, match="ambiguous"):
        store.find("photos")
    assert found(store, OTHER_PHOTOS) == OTHER_PHOTOS
    assert found(store, "photos-d") == OTHER_PHOTOS


def test_of_several_features_of_one_source_the_newest_is_meant_but_not_deleted(
    store: FeatureStore,
) -> None:
    fill(store, PHOTOS, names=range(5), spec=make_spec("second"))
    assert store.find("photos").spec.backbone == "second"
    assert store.find("second").record.manifest == PHOTOS
    with pytest.raises(FeaturesNotFoundError, match=r"ambiguous[\s\S]*second[\s\S]*tiny"):
        remove(store, "photos")
    assert len(store.list_features()) == 3
    remove(store, "second")
    assert len(store.list_features()) == 2


@pytest.mark.parametrize("name", ["1", "16", "169"])
def test_few_digits_are_no_fingerprint(store: FeatureStore, name: str) -> None:
    remove(store, "photos2")
    with pytest.raises(FeaturesNotFoundError, match="no cached features answer"):
        remove(store, name)
    assert found(store, "169e") == PHOTOS


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_names_nothing(store: FeatureStore, name: str) -> None:
    for only_one in (True, False):
        with pytest.raises(FeaturesNotFoundError, match="the name is empty"):
            store.find(name, only_one)
    with pytest.raises(FeaturesNotFoundError, match="the name is empty"):
        remove(store, name)


def test_an_unknown_name_gets_a_suggestion(store: FeatureStore) -> None:
    with pytest.raises(FeaturesNotFoundError, match=r"Did you mean photos2 or photos\?"):
        store.find("fotos2")


def test_what_was_extracted_goes_before_what_was_scored(store: FeatureStore) -> None:
    with store.begin_run("score", PHOTOS, "/photos", [make_spec()]) as run:
        run.finish(manifest_of(PHOTOS, range(5)), [record_of(PHOTOS, make_spec(), 5)])
    assert found(store, "photos") == PHOTOS
    assert found(store, "photos-") == PHOTOS
    assert found(store, "photos.scored") == f"{PHOTOS}.scored"
    remove(store, "photos")
    assert found(store, "photos-") == f"{PHOTOS}.scored"


def test_an_unfinished_run_is_listed_and_can_be_removed(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    with store.begin_run("extract", PHOTOS, "/photos", [make_spec()]) as run:
        for _ in range(2):
            run.name_rows(digests_of(range(9)))
        store.write_rows(make_spec(), [batch_of(range(5))])
        remove(store, "photos")
        assert len(store.open_set(make_spec())) == 5, "the run is alive"
    (stored,) = store.list_features()
    assert (stored.record.kind, stored.record.n_samples) == ("unfinished", 9)
    with pytest.raises(FeaturesNotFoundError, match="has not finished"):
        store.open_features("photos")
    with pytest.raises(FeaturesNotFoundError, match="no features of a finished extraction"):
        store.open_features()
    remove(store, "photos")
    assert store.list_features() == []
    assert not shards_in(tmp_path)
    assert collect_garbage(store).n_rows == 0
