#!/bin/sh
# The embedded backbone's layers after block3b_add, trained on Fashion-MNIST from the cache.
#
#     sh tuned.sh [SOURCE] [EPOCHS] [VALIDATION]
#
# Without a source: 500 bundled images, written to ./photos. VALIDATION images of each class validate; by
# default featx decides, and about a fifth of the training images do.
set -e
source=${1:-photos} epochs=${2:-16}

[ $# -gt 0 ] || [ -e photos ] || featx sample photos
featx extract "$source" --size 96 --name garments
if [ -n "$3" ]; then
    featx split export splits.csv --features garments
    python "$(dirname "$0")/less_validation.py" splits.csv "$3"
    featx split import splits.csv --features garments
fi
featx finetune garments --from block3b_add --lr 5e-4 --batch-size 96 --epochs "$epochs" \
    --patience "$epochs" --mixup 0.4 --views 8 --view-ops crop,flip --out tuned.featx --overwrite
featx extract "$source" --backbone tuned.featx --name tuned
featx fit tuned --head svm --out tuned-svm.featx --overwrite
featx results "$source" --split test
