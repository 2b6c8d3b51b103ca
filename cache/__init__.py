"""The feature cache: HDF5 shards, fingerprints, manifests, and the errors of all of featx."""

from .batch import FeatureBatch
from .compression import COMPRESSIONS
from .features import FeatureMatrix, FeatureSet
from .manifest import NO_LABEL, NO_SPLIT, SPLITS, Listing, Manifest, has_digest
from .quarantine import BadImage
from .runs import RunRecord
from .scores import Scores
from .shardset import ShardSet
from .spec import FORMAT_VERSION, POOLS, PRECISIONS, RESIZES, STORAGES, FeatureSpec
from .store import DEFAULT_ROOT, FeatureStore, StoredFeatures
from .strings import StringColumn

__all__ = [
    "COMPRESSIONS",
    "DEFAULT_ROOT",
    "FORMAT_VERSION",
    "NO_LABEL",
    "NO_SPLIT",
    "POOLS",
    "PRECISIONS",
    "RESIZES",
    "SPLITS",
    "STORAGES",
    "BadImage",
    "FeatureBatch",
    "FeatureMatrix",
    "FeatureSet",
    "FeatureSpec",
    "FeatureStore",
    "Listing",
    "Manifest",
    "RunRecord",
    "Scores",
    "ShardSet",
    "StoredFeatures",
    "StringColumn",
    "has_digest",
]
