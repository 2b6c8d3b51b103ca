"""Tables with a row for each box: a crop is a sample of its own."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from featx.cache.errors import ConfigError, ImageError, SourceFormatError
from featx.extractor import SourceOptions, open_source
from featx.extractor.images.decode import decode, decode_with_remark, stored_size
from featx.extractor.images.geometry import Geometry
from featx.extractor.sources import digest_of

XYWH = SourceOptions(crop_columns="x,y,w,h")
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    for name in "ab":
        Image.fromarray(PIXELS).save(tmp_path / f"{name}.png")
    return tmp_path


def opened(folder, rows, header="path,label,x,y,w,h", options=XYWH):
    (folder / "boxes.csv").write_text("\n".join([header, *rows]) + "\n")
    return open_source(folder / "boxes.csv", options)


def shown(source, index=0):
    height, width = stored_size(source.read(index))
    return decode(source.read(index), [Geometry(height, width)])[0]


def test_each_row_is_a_sample_with_its_box_in_the_id(folder):
    source = opened(folder, ["a.png,cat,1,2,10,20", "a.png,dog,5,5,4,4", "b.png,cat,1,2,10,20"])
    listing = source.listing()
    ids = ["a.png#xywh=1,2,10,20", "a.png#xywh=5,5,4,4", "b.png#xywh=1,2,10,20"]
    assert list(listing.sample_ids) == ids and listing.labels.tolist() == [0, 1, 0]
    assert list(listing.groups) == ["a.png", "a.png", "b.png"]
    assert np.array_equal(shown(source, 0), PIXELS[2:22, 1:11])
    assert np.array_equal(shown(source, 1), PIXELS[5:9, 5:9])
    digests = [digest_of(source.read(i)) for i in range(3)]
    assert digests[0] == digests[2] != digests[1]
    assert "boxes (x, y, width, height) in pixels" in source.understood


def test_several_rows_of_an_image_are_refused_with_the_option(folder):
    for row in ("a.png,dog,5,5,4,4", "./a.png,dog,5,5,4,4"):
        with pytest.raises(SourceFormatError, match="where a row is a box in it: --crop-columns"):
            opened(folder, ["a.png,cat,1,2,10,20", row], options=SourceOptions())
    with pytest.raises(SourceFormatError, match=r"rows 1 and 2 .* with one label, for each box"):
        opened(folder, ["a.png,cat,1,2,10,20", "a.png,dog,1,2,10,20"])


def test_groups_of_the_table_are_kept_and_blank_ones_are_the_image(folder):
    rows = ["a.png,cat,g,1,2,10,20", "a.png,dog,,5,5,4,4"]
    source = opened(folder, rows, "path,label,group,x,y,w,h")
    assert list(source.listing().groups) == ["g", "a.png"]


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("x,y,w,h", "3.5,2.4,10.2,5.2", PIXELS[2:8, 4:14]),
        ("x,y,w,h", "0.25,0.5,0.5,0.5", PIXELS[15:30, 10:30]),
        ("x,y,w,h", "-5,-5,10,10", PIXELS[0:5, 0:5]),
        ("x,y,w,h", "35,25,100,100", PIXELS[25:30, 35:40]),
        ("xmin,ymin,xmax,ymax", "3,2,13,8", PIXELS[2:8, 3:13]),
        ("x_center,y_center,width,height", "0.5,0.5,0.5,1", PIXELS[0:30, 10:30]),
    ],
)
def test_boxes_by_a_stated_rule(folder, header, cells, expected):
    source = opened(
        folder, [f"a.png,cat,{cells}"], f"path,label,{header}", SourceOptions(crop_columns=header)
    )
    geometry = Geometry(*expected.shape[:2])
    (pixels,), remark = decode_with_remark(source.read(0), [geometry])
    assert np.array_equal(pixels, expected)
    assert ("beyond the image" in remark) == (cells in ("-5,-5,10,10", "35,25,100,100"))


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("100,100,5,5", r"100,100,5,5 lies outside the image of 40×30 pixels"),
        ("5,5,0,5", "5,5,0,5 is empty"),
        ("5,5,0.2,5", "5,5,0.2,5 is empty"),
        ("9,9,-3,5", "is empty"),
    ],
)
def test_boxes_without_a_pixel_are_unreadable_images(folder, cells, reason):
    source = opened(folder, [f"a.png,cat,{cells}", "a.png,cat,1,1,5,5"])
    with pytest.raises(ImageError, match=reason):
        decode(source.read(0), [Geometry(8, 8)])


@pytest.mark.parametrize("cells", ["1,2,,4", "1,2,three,4", "1,2,nan,4"])
def test_cells_that_are_no_numbers_are_refused_with_their_row(folder, cells):
    with pytest.raises(SourceFormatError, match=r"row 2 has .* columns x, y, w, h of --crop-col"):
        opened(folder, ["a.png,cat,1,1,5,5", f"a.png,cat,{cells}"])


def test_columns_that_are_not_there_or_not_four(folder):
    with pytest.raises(SourceFormatError, match="no column 'left' for --crop-columns"):
        opened(folder, ["a.png,cat,1,2,3,4"], options=SourceOptions(crop_columns="left,y,w,h"))
    for text in ("x,y", "x,y,w,h,z", "x,,w,h"):
        with pytest.raises(ConfigError, match="--crop-columns takes four columns"):
            SourceOptions(crop_columns=text)
    source = opened(folder, ["a.png,cat,1,2,3,4"], options=SourceOptions(crop_columns="none"))
    assert list(source.listing().sample_ids) == ["a.png"]


def test_one_column_of_four_numbers(folder):
    records = [
        {"file_name": "a.png", "bbox": [1, 2, 3, 4]},
        {"file_name": "a.png", "bbox": [5, 6, 7, 8.5]},
    ]
    ids = ["a.png#xywh=1,2,3,4", "a.png#xywh=5,6,7,8.5"]
    (folder / "m.jsonl").write_text("\n".join(map(json.dumps, records)))
    parquet.write_table(pa.Table.from_pylist(records[:1]), folder / "m.parquet")
    options = SourceOptions(crop_columns="bbox")
    assert list(open_source(folder / "m.jsonl", options).listing().sample_ids) == ids
    assert list(open_source(folder / "m.parquet", options).listing().sample_ids) == ids[:1]


def test_pictures_in_a_table_are_cropped_too(tmp_path):
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, "PNG")
    columns = {"image": [out.getvalue()] * 2, "x": [1, 5], "y": [2, 5], "w": [9, 4], "h": [8, 4]}
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet", XYWH)
    assert np.array_equal(shown(source, 1), PIXELS[5:9, 5:9])
    assert digest_of(source.read(0))[:16] == digest_of(source.read(1))[:16]


def test_a_turned_photograph_is_cropped_as_people_see_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGB", (400, 200), "blue")
    image.paste("red", (0, 0, 200, 200))  # the upper half, once turned
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    (tmp_path / "t.csv").write_text("path,x,y,w,h\na.jpg,20,20,150,150\na.jpg,20,220,150,150\n")
    source = open_source(tmp_path / "t.csv", XYWH)
    for index, channel in ((0, 0), (1, 2)):
        pixels = decode(source.read(index), [Geometry(16, 16)])[0]
        assert pixels[..., channel].min() > 200


def test_boxes_of_a_table_beside_images_ask_for_the_table(folder):
    (folder / "metadata.csv").write_text("file_name,label,x,y,w,h\na.png,cat,1,1,5,5\n")
    with pytest.raises(SourceFormatError, match=r"is the source itself: name .*metadata\.csv"):
        open_source(folder, XYWH)
