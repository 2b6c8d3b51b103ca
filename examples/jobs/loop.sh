#!/bin/bash
# loop.sh PARTS SOURCE [options of featx extract]: the parts as processes of this machine, then the join.
set -uo pipefail
parts=$1
shift
for part in $(seq "$parts"); do
    featx extract "$@" --shard "$part/$parts" &
done
wait
exec featx extract "$@" --join
