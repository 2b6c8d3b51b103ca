"""The errors that featx raises, as one tree.

FeatxError
├── ConfigError                 (ValueError)         featx.toml or an option cannot be used
├── MissingLibraryError         (ImportError)        a library that this needs is not installed
├── SourceError
│   ├── SourceNotFoundError     (FileNotFoundError)  nothing at the given place
│   ├── SourceFormatError       (ValueError)         something is there, but not a source
│   └── ImageError              (ValueError)         one image cannot be read or decoded
├── BackboneError
│   ├── UnknownBackboneError    (ValueError)         no such backbone, layer or option of it
│   ├── WeightsNotFoundError    (FileNotFoundError)  the weights are not on this machine
│   ├── WeightsMismatchError    (ValueError)         a weights file does not fit the backbone
│   └── ConversionError         (ValueError)         an engine cannot run this network
├── CacheError
│   ├── CacheFormatError        (ValueError)         a file is damaged, foreign or too new
│   │   └── NewerFormatError                         a file was written by a newer featx
│   ├── CacheWriteError         (OSError)            the disk refused a write
│   └── FeaturesNotFoundError   (LookupError)        no cached features answer to that name
├── HeadError
│   ├── UnknownHeadError        (ValueError)         no such head or parameter
│   └── TrainingDataError       (ValueError)         the labels or features cannot be learned from
├── ModelError
│   ├── ModelFileError          (ValueError)         a .featx file is damaged or hostile
│   └── FeatureMismatchError    (ValueError)         features were made in another way
└── TooManyBadImagesError                            more images failed than --max-bad allows
"""

from __future__ import annotations

from typing import Any


class FeatxError(Exception):
    """Base of every error that featx raises on purpose."""

    exit_code = 1


class ConfigError(FeatxError, ValueError):
    """A configuration file or an option holds something that cannot be used."""


class MissingLibraryError(FeatxError, ImportError):
    """A library that is needed for this alone is not installed."""


class SourceError(FeatxError):
    """Something is wrong with a source of images."""


class SourceNotFoundError(SourceError, FileNotFoundError):
    """There is nothing at the place that a source names."""


class SourceFormatError(SourceError, ValueError):
    """The place exists but does not hold a source that featx can read."""


class EmptySourceError(SourceFormatError):
    """There is a source, and it has no image."""


class ImageError(SourceError, ValueError):
    """One image cannot be read or decoded; its message is the reason."""


class BackboneError(FeatxError):
    """Something is wrong with a backbone or its weights."""


class UnknownBackboneError(BackboneError, ValueError):
    """No backbone, layer or weights option answers to the given name."""


class WeightsNotFoundError(BackboneError, FileNotFoundError):
    """The weights that a backbone needs are not on this machine."""


class WeightsMismatchError(BackboneError, ValueError):
    """A weights file does not fit its backbone, or is not the file that was promised."""


class ConversionError(BackboneError, ValueError):
    """An engine cannot run this network; another one may."""


class CacheError(FeatxError):
    """Something is wrong with the feature cache."""


class CacheFormatError(CacheError, ValueError):
    """A file in the cache is damaged, foreign, or of a newer format."""


class NewerFormatError(CacheFormatError):
    """A file in the cache was written by a newer featx; this version leaves it alone."""


class CacheWriteError(CacheError, OSError):
    """The file system refused a write; what the cache held before is whole."""


class FeaturesNotFoundError(CacheError, LookupError):
    """No cached features answer to the given name."""


class HeadError(FeatxError):
    """Something is wrong with a head or with what it shall learn from."""


class UnknownHeadError(HeadError, ValueError):
    """No head, or no parameter of it, answers to the given name."""


class TrainingDataError(HeadError, ValueError):
    """A head cannot be trained on these features and labels."""


class ModelError(FeatxError):
    """Something is wrong with a model file."""


class ModelFileError(ModelError, ValueError):
    """A model file is damaged, hostile, or of a newer format."""


class FeatureMismatchError(ModelError, ValueError):
    """Features and model were made in different ways; the message names the field."""


class IncompleteError(FeatxError):
    """Parts of a job array do not make up the whole yet.

    Attributes
    ----------
    report : dataclass or None
        What is missing.
    """

    report: Any = None


class TooManyBadImagesError(FeatxError):
    """More images failed than the run allows; everything that succeeded is saved.

    Attributes
    ----------
    report : dataclass or None
        What the run did, where it got as far as a report.
    """

    exit_code = 3
    report: Any = None
