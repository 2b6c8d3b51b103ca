#!/bin/sh
# Two inner layers of the embedded backbone at small sizes, beside oriented gradients.
#
#     sh frozen.sh [SOURCE]
#
# Without a source: 500 bundled images, written to ./photos.
set -e
source=${1:-photos} here=$(dirname "$0")

[ $# -gt 0 ] || [ -e photos ] || featx sample photos
featx extract "$source" --size 56 --layer block3b_add --pool flatten --name small
featx extract "$source" --size 96 --layer block5c_add --pool grid:2 --name wide
python "$here/oriented_gradients.py" 28
featx extract "$source" --backbone oriented.keras --size 28 --layer cells --pool flatten \
    --preprocess none --name oriented
featx sweep small+wide+oriented small+wide --grid "$here/frozen.toml" --out frozen.featx --overwrite
featx results "$source" --split test
