"""Output paths: featx replaces what it wrote, and nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from featx.cache.errors import ConfigError
from featx.cache.output_path import foreign_entry, output_file, output_folder


def is_own(path: Path) -> bool:
    return path.read_bytes().startswith(b"featx")


def folder_for(path: Path) -> Path:
    return output_folder(path, "things", lambda folder: foreign_entry(folder, is_own))


def file_for(path: Path, overwrite: bool = False) -> Path:
    return output_file(path, "a thing", is_own, overwrite=overwrite)


def test_a_new_file_and_an_own_file_may_be_written(tmp_path: Path) -> None:
    assert file_for(tmp_path / "new" / "a") == tmp_path / "new" / "a"
    (tmp_path / "a").write_text("featx wrote this")
    assert file_for(tmp_path / "a") == tmp_path / "a"
    assert not (tmp_path / "new").exists()


def test_a_foreign_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content in ("mine", ""):
        path.write_text(content)
        with pytest.raises(ConfigError, match=r"not a thing that featx wrote.*--overwrite"):
            file_for(path)
        assert file_for(path, overwrite=True) == path


def test_a_link_leads_to_its_target(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("featx")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("later")
    assert file_for(tmp_path / "link") == tmp_path / "real"
    assert file_for(tmp_path / "dangling") == tmp_path / "later"
    (tmp_path / "real").write_text("mine")
    with pytest.raises(ConfigError, match="link exists"):
        file_for(tmp_path / "link")
    (tmp_path / "ring").symlink_to("ring")
    with pytest.raises(ConfigError, match="symbolic links"):
        file_for(tmp_path / "ring")


@pytest.mark.parametrize("overwrite", [False, True])
def test_folders_devices_and_pipes_are_never_replaced(tmp_path: Path, overwrite: bool) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        file_for(tmp_path, overwrite)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(ConfigError, match="device or a pipe"):
            file_for(path, overwrite)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_write_protected_file_stays(tmp_path: Path, overwrite: bool) -> None:
    path = tmp_path / "a"
    path.write_text("featx")
    path.chmod(0o444)
    with pytest.raises(ConfigError, match=r"write-protected.*chmod u\+w"):
        file_for(path, overwrite)


def test_a_parent_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "a", tmp_path / "file" / "b" / "a"):
        with pytest.raises(ConfigError, match=r"a: .*(Not a directory|not a folder)"):
            file_for(path)


def test_a_folder_without_permission_is_named_before_the_work(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        folder = Path("/proc/self")
    else:
        folder = tmp_path / "closed"
        folder.mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="no permission to write in"):
        file_for(folder / "a")


def test_a_folder_is_replaced_only_if_all_of_it_is_own(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert folder_for(folder) == folder
    folder.mkdir()
    assert folder_for(folder) == folder
    (folder / "part").write_text("featx")
    assert folder_for(folder) == folder
    (tmp_path / "link").symlink_to("out")
    assert folder_for(tmp_path / "link") == folder
    for make in (
        lambda path: path.write_text("mine"),
        lambda path: path.mkdir(),
        lambda path: path.symlink_to(folder / "part"),
    ):
        make(folder / "photo.png")
        with pytest.raises(ConfigError, match=r"holds photo\.png.*name a new folder"):
            folder_for(folder)
        subprocess.run(["rm", "-r", str(folder / "photo.png")], check=True)
    with pytest.raises(ConfigError, match="is a file"):
        folder_for(folder / "part")
