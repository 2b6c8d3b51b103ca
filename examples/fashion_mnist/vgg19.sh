#!/bin/sh
# VGG19 at 150 pixels, its last map flattened to 8,192 numbers, a hidden layer of 512 with dropout 0.5.
#
#     sh vgg19.sh [SOURCE] [WEIGHTS] [EPOCHS]
#
# Without a source: 500 bundled images, written to ./photos, and random weights.
set -e
source=${1:-photos} weights=${2:-random:0} epochs=${3:-20}

[ $# -gt 0 ] || [ -e photos ] || featx sample photos
featx extract "$source" --backbone vgg19 --weights "$weights" --size 150 --pool flatten
featx fit vgg19 --head dense --hidden 512 --dropout 0.5 --epochs "$epochs" \
    --name "vgg19 + 512" --out vgg19.featx --overwrite
featx results "$source" --split test
