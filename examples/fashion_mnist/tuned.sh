#!/bin/sh
# The embedded backbone's layers after block3b_add, trained from the cache; then an SVM on what they give.
#
#     sh tuned.sh [SOURCE] [EPOCHS]
#
# Without a source: 500 bundled images, written to ./photos.
set -e
source=${1:-photos} epochs=${2:-16} views="--view-ops crop,flip" here=$(dirname "$0")

[ $# -gt 0 ] || [ -e photos ] || featx sample photos
featx extract "$source" --size 96 --name garments
featx finetune garments --from block3b_add --lr 5e-4 --batch-size 96 --epochs "$epochs" --patience "$epochs" \
    --mixup 0.4 --views 8 $views --out tuned.featx --overwrite
featx evaluate tuned.featx "$source" --split val --tta 8 $views

featx extract "$source" --backbone tuned.featx --name tuned
featx extract "$source" --size 56 --layer block3b_add --pool flatten --name small
featx extract "$source" --size 96 --layer block5c_add --pool grid:2 --name wide
featx sweep tuned+small+wide tuned --grid "$here/frozen.toml" --out joined.featx --overwrite
featx results "$source" --split test
