#!/bin/bash
# submit.sh PARTS SOURCE [options of featx extract]: an array of jobs, and the job that joins them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
parts=$1
shift
array=$(sbatch --parsable --array="1-$parts" "$here/extract.sbatch" "$@")
# afterany: where a part failed, the join says which, instead of waiting for ever.
sbatch --dependency="afterany:$array" "$here/join.sbatch" "$@"
