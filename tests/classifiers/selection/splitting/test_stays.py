"""No image moves to another split, whatever else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from splits_shared import IMAGES, features_of, sides

from featx.cache import SPLITS
from featx.cache.errors import CacheFormatError
from featx.classifiers.selection.splitting.draw import TEST, VAL
from featx.classifiers.selection.splitting.preparation import prepare
from featx.classifiers.selection.splitting.splits import split_features


def moved(before: dict[bytes, str], after: dict[bytes, str]) -> int:
    return sum(before[image] != after[image] for image in before.keys() & after.keys())


@pytest.mark.parametrize("n", [8, 25, 149, 745])
def test_nothing_moves_when_others_come_go_or_change(tmp_path: Path, n: int) -> None:
    labels = [min(i % 30, 2) for i in range(n)]
    before = sides(features_of(tmp_path, range(n), labels))
    assert len(before) == n
    one_more = [*range(n), n]
    for extra in range(3):
        assert not moved(before, sides(features_of(tmp_path, one_more, [*labels, extra])))
    for row in range(0, n, max(1, n // 5)):
        corrected = [*labels[:row], (labels[row] + 1) % 3, *labels[row + 1 :]]
        assert not moved(before, sides(features_of(tmp_path, range(n), corrected)))
    renamed = features_of(tmp_path, range(n), [2 - label for label in labels], names="xyz")
    assert not moved(before, sides(renamed))
    for kept in (range(1, n), range(0, n, 2), range(n - 1, -1, -1)):
        some = features_of(tmp_path, kept, [labels[i] for i in kept])
        assert not moved(before, sides(some))
    assert not moved(before, sides(features_of(tmp_path, range(n), labels, source="elsewhere")))
    other = features_of(tmp_path / "other", range(n), labels)
    assert sides(other) == before and sides(features_of(tmp_path, range(n), labels)) == before


def test_many_images_have_the_same_split_in_a_cache_that_never_saw_the_others(
    tmp_path: Path,
) -> None:
    labels = [i % 3 for i in range(745)]
    before = sides(features_of(tmp_path / "1", range(745), labels))
    fresh = sides(features_of(tmp_path / "2", range(746), [*labels, 0]))
    assert not moved(before, fresh) and len(fresh) == 746


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [3, 4, 5, 8, 12, 25, 60, 200])
def test_each_class_keeps_its_share(tmp_path: Path, n: int, seed: int) -> None:
    labels = [0] * n + [1] * (800 - n)
    split = split_features(features_of(tmp_path, range(800), labels), seed)
    y = np.array(labels)
    for label, size in ((0, n), (1, 800 - n)):
        n_test, n_val = ((y[rows] == label).sum() for rows in (split.test, split.val))
        assert max(1, 0.1 * size) <= n_test <= max(1, 0.3 * size)
        assert max(1, 0.08 * size) <= n_val <= max(1, 0.24 * size)
        assert TEST.bounds(size)[0] <= n_test and VAL.bounds(size)[0] <= n_val
        assert (y[split.train] == label).any()


def test_images_that_come_one_by_one_fill_the_shares(tmp_path: Path) -> None:
    """The first learns, the second judges, the third tests."""
    seen: dict[bytes, str] = {}
    for n in range(1, 21):
        now = sides(features_of(tmp_path, range(n), [0] * n))
        assert not moved(seen, now)
        seen = now
        counts = [list(now.values()).count(name) for name in SPLITS]
        if n <= 3:
            assert counts == [[1, 0, 0], [1, 1, 0], [1, 1, 1]][n - 1]
    assert 2 <= counts[2] <= 6 and 2 <= counts[1] <= 4


def test_other_seeds_are_other_splits(tmp_path: Path) -> None:
    features = features_of(tmp_path, range(400), [i % 2 for i in range(400)])
    assert moved(sides(features), sides(features, 1)) > 50
    assert sides(features) == sides(features)


def test_an_image_that_comes_back_has_its_split(tmp_path: Path) -> None:
    before = sides(features_of(tmp_path, range(9), [0, 1, 2] * 3))
    sides(features_of(tmp_path, range(3, 9), [0, 1, 2] * 2))
    assert sides(features_of(tmp_path, range(9), [0, 1, 2] * 3)) == before


def test_groups_stay_whatever_their_images_are(tmp_path: Path) -> None:
    groups = [f"patient {i // 6}" for i in range(300)]
    labels = [i // 6 % 2 for i in range(300)]
    before = sides(features_of(tmp_path, range(300), labels, groups=groups))
    more = features_of(
        tmp_path, range(303), [*labels, 0, 0, 0], groups=[*groups, *["patient 7"] * 3]
    )
    after = sides(more)
    assert not moved(before, after)
    assert {after[bytes(IMAGES[i])] for i in (300, 301, 302)} == {before[bytes(IMAGES[42])]}


def test_groups_that_are_joined_later_leave_rows_out_and_move_none(tmp_path: Path) -> None:
    groups = [f"p{i // 3}" for i in range(150)]
    before = sides(features_of(tmp_path, range(150), [0] * 150, groups=groups))
    row = {side: next(i for i in range(150) if before[bytes(IMAGES[i])] == side) for side in SPLITS}
    joining = [groups[row["test"]], groups[row["train"]]]
    joined = features_of(
        tmp_path, [*range(150), 200, 200], [0] * 152, groups=[*groups, *joining], source="n"
    )
    assert not moved(before, sides(joined))
    (crossing,) = split_features(joined).crossings
    assert (crossing.split, crossing.other) == ("train", "test") and not crossing.is_given
    assert crossing.n_equal + crossing.n_group == 4


def test_parts_that_the_source_gives_stay_and_the_others_are_drawn(tmp_path: Path) -> None:
    labels, given = [0, 1] * 150, [0] * 250 + [2] * 50
    features = features_of(tmp_path, range(300), labels, given=given)
    split = split_features(features)
    assert split.test.tolist() == list(range(250, 300)) and 25 <= len(split.val) <= 75
    before = sides(features)
    more = features_of(tmp_path, range(301), [*labels, 0], given=[*given, 0])
    assert not moved(before, sides(more))
    own = sides(features_of(tmp_path, range(250), labels[:250]))
    assert set(own.values()) == set(SPLITS)


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    features = features_of(tmp_path, range(30), [0, 1, 2] * 10)
    sides(features)
    (path,) = features.layout.split_paths() if features.layout else ()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CacheFormatError, match=path.name):
        sides(features)


def test_a_cache_that_cannot_be_written_still_gives_a_split_and_says_so(tmp_path: Path) -> None:
    features = features_of(tmp_path, range(300), [0, 1, 2] * 100)
    (tmp_path / "splits").symlink_to("/proc/nowhere")
    split = split_features(features)
    assert "splits" in split.not_kept and len(split.test) > 30
    assert "cannot be kept in the cache" in "".join(prepare(features).notes)
