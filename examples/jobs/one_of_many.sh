#!/bin/bash
# one_of_many.sh PART PARTS SOURCE [options of featx extract]: for cron, on machines without a scheduler.
# Every machine has a part of its own; the last to finish joins. Run every night, only new images cost time.
set -euo pipefail
part=$1 parts=$2
shift 2
exec 9>"${TMPDIR:-/tmp}/featx-part-$part-of-$parts.lock"
flock --nonblock 9 || exit 0 # last night's run still goes on
featx extract "$@" --shard "$part/$parts"
featx extract "$@" --join || echo "not joined yet: another part still goes on, or failed (see above)"
