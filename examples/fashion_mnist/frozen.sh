#!/bin/sh
# Layers of the embedded backbone beside oriented gradients; heads chosen on validation images alone.
#
#     sh frozen.sh [SOURCE]
#
# Without a source: 500 bundled images, written to ./photos.
set -e
source=${1:-photos} here=$(dirname "$0")

[ $# -gt 0 ] || [ -e photos ] || featx sample photos
featx extract "$source" --preset multi
python "$here/oriented_gradients.py" 28
featx extract "$source" --backbone oriented.keras --size 28 --layer cells --pool flatten \
    --preprocess none --name oriented
featx sweep block3b_add+block5c_add+block6d_add+oriented \
    top_activation+block3b_add+block5c_add+block6d_add oriented \
    --grid "$here/frozen.toml" --out frozen.featx --overwrite
featx results "$source" --split test
