"""Compression of feature rows: an option for sparse features; it never changes a number."""

from __future__ import annotations

from typing import Any

import h5py

from ..errors import ConfigError
from ..suggest import did_you_mean

COMPRESSIONS = ("blosc-zstd", "zstd", "lz4", "gzip")
NONE = "none"


def check_compression(name: str | None) -> str:
    """Return ``name``, or ``none`` for None.

    Raises
    ------
    ConfigError
        No such compression.
    """
    if name in (None, NONE):
        return NONE
    if name not in COMPRESSIONS:
        close = did_you_mean(str(name), (NONE, *COMPRESSIONS))
        raise ConfigError(f"unknown compression {name!r}. {close}")
    return str(name)


def filter_arguments(name: str) -> dict[str, Any]:
    """Return what h5py's ``create_dataset`` takes for a compression.

    Raises
    ------
    ConfigError
        The compression needs hdf5plugin, which is not installed.
    """
    if name == NONE:
        return {}
    if name == "gzip":
        return {"compression": "gzip", "compression_opts": 4, "shuffle": True}
    plugin = _plugin(f"writing with the compression {name}")
    if name == "zstd":
        return {**plugin.Zstd(clevel=3), "shuffle": True}
    if name == "lz4":
        return {**plugin.LZ4(), "shuffle": True}
    return {**plugin.Blosc(cname="zstd", clevel=3, shuffle=plugin.Blosc.SHUFFLE)}


def check_filters(dataset: Any) -> None:
    """Make sure that HDF5 can decompress ``dataset``.

    Raises
    ------
    ConfigError
        It needs hdf5plugin, which is not installed.
    """
    plist = dataset.id.get_create_plist()
    codes = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if not all(h5py.h5z.filter_avail(code) for code in codes):
        _plugin(f"reading the compressed features in {dataset.file.filename}")


def _plugin(purpose: str) -> Any:
    try:
        import hdf5plugin
    except ImportError as error:
        raise ConfigError(
            f'{purpose} needs hdf5plugin: pip install "featx[compression]"'
        ) from error
    return hdf5plugin
