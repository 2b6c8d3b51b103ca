"""The feature cache: HDF5 shards, fingerprints, manifests, and the errors of all of featx."""

from .batch import FeatureBatch
from .features import FeatureSet
from .format.compression import COMPRESSIONS
from .format.strings import StringColumn
from .joined.feature_matrix import FeatureMatrix
from .joined.joined_spec import AnySpec, JoinedSpec, joined, spec_from_json
from .manifest import NO_LABEL, NO_SPLIT, SPLITS, Listing, Manifest, has_digest
from .records.journal import sample_keys
from .records.quarantine import BadImage
from .records.run_record import RunRecord
from .records.stored import StoredFeatures
from .records.tag import Tag
from .results.judged_rows import JudgedRows
from .results.result import Result
from .results.result_store import Predictions, ResultStore
from .results.scores import Scores
from .run import Run
from .shards.shardset import ShardSet
from .spec import POOLS, PRECISIONS, RESIZES, STORAGES, FeatureSpec
from .store import DEFAULT_ROOT, FeatureStore

__all__ = [
    "COMPRESSIONS",
    "DEFAULT_ROOT",
    "NO_LABEL",
    "NO_SPLIT",
    "POOLS",
    "PRECISIONS",
    "RESIZES",
    "SPLITS",
    "STORAGES",
    "AnySpec",
    "BadImage",
    "FeatureBatch",
    "FeatureMatrix",
    "FeatureSet",
    "FeatureSpec",
    "FeatureStore",
    "JoinedSpec",
    "JudgedRows",
    "Listing",
    "Manifest",
    "Predictions",
    "Result",
    "ResultStore",
    "Run",
    "RunRecord",
    "Scores",
    "ShardSet",
    "StoredFeatures",
    "StringColumn",
    "Tag",
    "has_digest",
    "joined",
    "sample_keys",
    "spec_from_json",
]
