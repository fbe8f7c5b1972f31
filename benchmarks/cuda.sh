#!/usr/bin/env bash
# Everything that a GPU can show, in one command of at most eight minutes: tests, solvers, permutation, a study.
#
#     bash benchmarks/cuda.sh [FOLDER FOR THE TABLES]
#
# It needs an environment with a torch that sees the GPU (`pip install torch`, then `pip install -e '.[all]' --group dev`,
# without constraints.txt, whose torch is that of processors). A part that does not end in its time is cut, and told.
set -uo pipefail
cd "$(dirname "$0")/.."
out="${1:-benchmarks/results/cuda}"
mkdir -p "$out"
timeout 30 python -c 'import torch; assert torch.cuda.is_available(), "torch sees no GPU"; print(torch.cuda.get_device_name())' | tee "$out/device.txt" || exit 1

part() {
    local name="$1" limit="$2"
    shift 2
    echo "== $name: $*"
    if ! timeout -k 5 "$limit" "$@" >"$out/$name.txt" 2>&1; then
        echo "$name: failed, or not done in $limit s; see $out/$name.txt" | tee -a "$out/failed.txt"
    fi
    tail -n 20 "$out/$name.txt"
}

rm -f "$out/failed.txt"
part tests 70 python -m pytest -m gpu tests/models
part solvers 140 python benchmarks/solvers.py --device cuda --cases mulan delayed wide dual banded
part permutation 50 python benchmarks/permutation.py --device cuda
part study 160 python benchmarks/study.py --device cuda --cases delayed_6144 --targets 20000 --no-peer
[ ! -s "$out/failed.txt" ]
