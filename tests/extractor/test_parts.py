"""The cut of a source into parts."""

from __future__ import annotations

import numpy as np
import pytest

from featx.extractor.parts import BLOCK_IMAGES, Part, count_in_blocks


@pytest.mark.parametrize("n_samples", [0, 1, 31, 32, 33, 1000])
@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_parts_cover_every_image_once(n_samples: int, count: int) -> None:
    rows = [Part(k, count).rows(n_samples) for k in range(1, count + 1)]
    assert sorted(np.concatenate(rows).tolist()) == list(range(n_samples))
    sizes = [len(part) for part in rows]
    assert max(sizes) - min(sizes) <= BLOCK_IMAGES


def test_parts_stay_where_files_are_added_at_the_end() -> None:
    for k in range(1, 5):
        before, after = Part(k, 4).rows(1000), Part(k, 4).rows(1500)
        assert after[: len(before)].tolist() == before.tolist()


def test_names() -> None:
    assert Part.of_name("photos-1234abcd.part-3-of-16") == Part(3, 16) == Part.parse(" 3/16")
    assert Part.of_name("photos-1234abcd.scored") is None


@pytest.mark.parametrize("n_samples", [0, 1, 32, 33, 1000])
@pytest.mark.parametrize("count", [1, 3, 7])
def test_counts_in_blocks_are_those_of_the_rows_of_each_part(n_samples, count):
    mask = np.random.default_rng(0).random(n_samples) < 0.4
    counts = count_in_blocks(mask)
    for part in (Part(number, count) for number in range(1, count + 1)):
        assert counts[part.blocks].sum() == mask[part.rows(n_samples)].sum()
