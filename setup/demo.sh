#!/usr/bin/env bash
# The demo: runs examples/diffusion.yaml anew, shows what it made, and runs it again; then the example in Python. Wants the
# data to be there.
#   setup/demo.sh PIAL
set -euo pipefail
pial=$1
work=demo-work

main() {
    rm -rf "$work" demo-results
    echo
    echo "== pial run examples/diffusion.yaml --work $work"
    "$pial" run examples/diffusion.yaml --work "$work"
    echo
    echo "== what it made"
    find demo-results -type f -printf '%10s bytes  %p\n' | sort -k3
    echo
    echo "== demo-results/group/summary.json"
    cat demo-results/group/summary.json
    echo
    echo "== the same again"
    second_run
    echo
    echo "== from Python: examples/fa.py demo-data/dwi"
    PIAL_BINARY=$pial PYTHONPATH=python python3 examples/fa.py demo-data/dwi
}

# Ends with an error when anything was done again, or when finding that out took a second.
second_run() {
    local began ended said
    began=$(date +%s%N)
    said=$("$pial" run examples/diffusion.yaml --work "$work" 2>&1)
    ended=$(date +%s%N)
    echo "$said"
    echo "== that took $(((ended - began) / 1000000)) ms"
    [[ $said == *'nothing to do'* ]] && ((ended - began < 1000000000))
}

main
