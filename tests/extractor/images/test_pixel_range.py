"""The pixel range of a source: from its files' statements, else from a sample, and said."""

import io

import numpy as np
import pytest
import tifffile

from featx.cache.errors import ConfigError
from featx.extractor.images.decode import decode
from featx.extractor.images.geometry import Geometry
from featx.extractor.images.pixel_range import (
    N_SAMPLED,
    RangeChoice,
    check_pixel_range,
    choose_pixel_range,
    contradiction,
)
from images_made import chunk, deep_png, encoded, pattern, tiff

GREY = pattern()[..., 0]


def choose(*raws):
    return choose_pixel_range(lambda index: raws[index], len(raws))


def in_range(low, high, dtype=np.uint16):
    return (low + GREY / GREY.max() * (high - low)).astype(dtype)


def limits(type_, low, high):
    """TIFF's tags SMinSampleValue and SMaxSampleValue."""
    return [(340, type_, 1, low, True), (341, type_, 1, high, True)]


SBIT = chunk(b"sBIT", b"\x0c")


def test_sources_of_8_bits_stay_full_and_silent():
    raws = [encoded(pattern()), encoded(pattern(), "JPEG"), pattern(), tiff(GREY), b"no picture"]
    assert choose(*raws) == RangeChoice("full", "", True)
    assert choose() == RangeChoice()


def test_at_most_a_few_images_are_read_spread_over_the_source():
    read = []
    choose_pixel_range(lambda index: read.append(index) or encoded(pattern()), 10_000)
    assert len(read) == N_SAMPLED and read[0] == 0 and read[-1] == 9_999


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (deep_png(in_range(0, 4000), 0, SBIT), "0:4095"),
        (deep_png(np.stack([in_range(0, 900)] * 3, -1), 2, chunk(b"sBIT", b"\x0a" * 3)), "0:1023"),
        (tiff(in_range(0, 4000), extratags=[(341, 3, 1, 4095, True)]), "0:4095"),
        (tiff(in_range(0, 4000), extratags=[(281, 3, 1, 4095, True)]), "0:4095"),
        (tiff(in_range(-5, 9, np.float32), extratags=limits(11, -10.0, 10.0)), "-10:10"),
        (tiff(in_range(-900, 2000, np.int16), extratags=limits(8, -1024, 3071)), "-1024:3071"),
    ],
)
def test_what_files_state_counts(raw, expected):
    choice = choose(raw, encoded(pattern()))
    assert choice.pixel_range == expected
    assert choice.is_sure and "state" in choice.note


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (in_range(0, 250), "0:255"),
        (in_range(0, 1000), "0:1023"),
        (in_range(0, 4012), "0:4095"),
        (in_range(0, 16000), "0:16383"),
        (in_range(0, 4000, np.int16), "0:4095"),
        (in_range(-1000, 3000, np.int16), "-1024:4095"),
        (in_range(0, 200, np.int32), "0:255"),
        (in_range(0, 256, np.int32), "0:1023"),
        (in_range(0, 60000, np.uint32), "0:65535"),
        (in_range(0, 255, np.float32), "0:255"),
        (in_range(0, 4000, np.float32), "0:4095"),
        (in_range(-1, 1, np.float32), "-1:1"),
        (in_range(-400, 3000, np.float32), "-4095:4095"),
    ],
)
def test_without_a_statement_the_sample_decides_and_it_is_said(values, expected):
    for raw in (tiff(values), values):
        choice = choose(raw)
        assert choice.pixel_range == expected
        assert not choice.is_sure
        assert "guess" in choice.note and "--pixel-range" in choice.note


@pytest.mark.parametrize("values", [in_range(0, 60000), in_range(0, 1, np.float32)])
def test_values_that_fill_their_type_are_full(values):
    choice = choose(tiff(values))
    assert choice.pixel_range == "full" and choice.is_sure and choice.note


def test_packed_12_bits_are_full_as_the_format_says():
    pairs = in_range(0, 4095).reshape(-1, 2).astype(np.uint32)
    packed = b"".join(int(a << 12 | b).to_bytes(3, "big") for a, b in pairs)
    raw = bytearray(tiff(np.frombuffer(packed, np.uint8).reshape(24, 54)))
    with tifffile.TiffFile(io.BytesIO(raw)) as file:
        values = {tag.code: tag.valueoffset for tag in file.pages[0].tags}
    for tag, value in ((256, 36), (258, 12)):
        raw[values[tag] : values[tag] + 2] = value.to_bytes(2, "little")
    assert choose(bytes(raw)).pixel_range == "full"
    (pixels,) = decode(bytes(raw), [Geometry(24, 36)])
    np.testing.assert_allclose(pixels[..., 0], in_range(0, 255), atol=1)


@pytest.mark.parametrize("n_bits", [8, 10, 12, 14])
def test_png_depths_scaled_to_16_bits_are_full_however_dark(n_bits):
    shift, high = 16 - n_bits, 2**n_bits - 1
    sbit = chunk(b"sBIT", bytes([n_bits]))
    for top in (high, high // 20):
        values = in_range(0, top)
        repeated = values << shift | values >> max(0, n_bits - shift)
        for scaled in (values << shift, np.rint(values * (65535 / high)), repeated):
            choice = choose(deep_png(scaled, 0, sbit))
            assert choice.pixel_range == "full" and choice.is_sure
        assert choose(deep_png(values, 0, sbit)).pixel_range == f"0:{high}"


def test_opacity_does_not_decide_the_range_and_keeps_its_own():
    grey = in_range(0, 1000)
    for top in (1023, 65535):
        raw = deep_png(np.stack([grey, np.full_like(grey, top)], -1), 4)
        assert choose(raw).pixel_range == "0:1023"
        (pixels,) = decode(raw, [Geometry(24, 36, pixel_limits=(0, 1023))])
        np.testing.assert_allclose(pixels[..., 0], grey * (255 / 1023), atol=1)
    values = np.stack([in_range(0, 4000, np.float32)] * 3 + [np.ones(grey.shape, np.float32)], -1)
    (pixels,) = decode(values, [Geometry(24, 36, pixel_limits=(0, 4095))])
    np.testing.assert_allclose(pixels[..., 0], values[..., 0] * (255 / 4095), atol=1)


@pytest.mark.parametrize(
    "raws",
    [
        [deep_png(in_range(0, 4000), 0), deep_png(in_range(0, 65000), 0)],
        [
            deep_png(
                np.where(np.arange(GREY.size).reshape(GREY.shape) == 99, 65535, in_range(0, 4000)),
                0,
            )
        ],
        [np.pad(in_range(0, 4000), ((200, 0), (0, 0))).astype(np.uint16), in_range(0, 65000)],
        [tiff(in_range(0, 0.001, np.float32))],
    ],
)
def test_images_that_become_nearly_black_are_said(raws):
    choice = choose(*raws)
    assert choice.pixel_range == "full" and not choice.is_sure
    assert "nearly black" in choice.note


def test_a_guess_does_not_leave_the_type():
    assert choose(in_range(-32768, 32767, np.int16)).pixel_range == "full"
    assert choose(in_range(0, 2**31 - 65, np.int32)).pixel_range == "0:2147483647.0"


def test_statements_that_do_not_fit_the_pixels_are_said():
    choice = choose(deep_png(in_range(0, 60000), 0, SBIT), deep_png(in_range(0, 4000), 0))
    assert choice.pixel_range == "full" and not choice.is_sure
    assert "does not fit" in choice.note


def test_two_types_in_one_source_are_said():
    choice = choose(*[tiff(in_range(0, 4000))] * 2, tiff(in_range(0, 1, np.float32)))
    assert choice.pixel_range == "0:4095" and not choice.is_sure
    assert "float32 images, for which it is wrong" in choice.note


def test_a_model_says_where_inputs_contradict_its_range():
    raws = [deep_png(in_range(0, 4000), 0, SBIT)]

    def told(pixel_range, *raws):
        return contradiction(lambda index: raws[index], len(raws), pixel_range)

    assert told("0:4095", *raws) == ""
    assert "pixel range full" in told("full", *raws) and "state" in told("full", *raws)
    assert told("0:4095", encoded(pattern())) == ""


@pytest.mark.parametrize("text", ["auto", "full", "0:4095", "-1:1", "0.5:2e3"])
def test_the_option_takes_ranges(text):
    assert check_pixel_range(text) == text


@pytest.mark.parametrize("text", ["", "4095", "5:5", "9:1", "0:nan", "0:inf", "a:b", "0:1:2"])
def test_the_option_refuses_what_is_no_range(text):
    with pytest.raises(ConfigError, match="Expected auto, full, or LOW:HIGH"):
        check_pixel_range(text)
