#!/usr/bin/env bash
# Installs what bench/memory compares with, in venvs of the bench's own under bench/results (not in git).
# PYTHON names the interpreter; nipype 1.12 wants Python 3.12 or newer.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
results=$(dirname "$here")/results
python=${PYTHON:-python3.12}

install() { # VENV, pip's arguments
    local venv=$results/$1
    shift
    [[ -x $venv/bin/python ]] || "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

command -v "$python" >/dev/null || { echo "setup.sh: $python is missing; name another with PYTHON=" >&2; exit 1; }
mkdir -p "$results"
install peers --requirement "$here/setup.txt"
install snakemake snakemake==9.27.1
