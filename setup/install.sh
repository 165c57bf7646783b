#!/usr/bin/env bash
# Installs the tools that the demo and the tests run, where they are missing: the Debian packages of
# setup/apt.txt, and those of setup/python.txt in .venv. Takes no time when nothing is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$(dirname "$here")/.venv

main() {
    install_debian_packages
    install_python_packages
}

# The lines of a list that are neither comments nor empty.
entries() {
    grep -Ev '^[[:space:]]*(#|$)' "$here/$1"
}

fail() {
    echo "setup/install.sh: $*" >&2
    exit 1
}

install_debian_packages() {
    local wanted missing=() as_root=()
    mapfile -t wanted < <(entries apt.txt)
    if ! command -v dpkg-query >/dev/null; then
        fail "this is no Debian; install these by hand: ${wanted[*]}"
    fi
    mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}" | sort) <(installed "${wanted[@]}" | sort))
    if ((${#missing[@]} == 0)); then
        return
    fi
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "no root and no sudo; ask for: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    echo "installing ${missing[*]}"
    # The lists may be old or empty: refresh them only if the first try fails.
    apt_install "${missing[@]}" >/dev/null 2>&1 || {
        "${as_root[@]}" apt-get update -qq || fail "apt-get update failed; check the network and /etc/apt"
        apt_install "${missing[@]}" || fail "apt-get could not install ${missing[*]}"
    }
}

# Those of the given packages that are installed.
installed() {
    dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p'
}

# Uses the caller's `as_root`.
apt_install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet=2 --no-install-recommends "$@"
}

install_python_packages() {
    local stamp=$venv/installed-python.txt native
    if cmp --silent "$here/python.txt" "$stamp" && [[ -x $venv/bin/niimath ]]; then
        return
    fi
    command -v python3 >/dev/null || fail "python3 is missing; install python3"
    echo "installing $(entries python.txt | tr '\n' ' ')in $venv"
    if python3 -m venv "$venv" >/dev/null 2>&1; then
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/python.txt" ||
            fail "pip failed; check the network"
    elif python3 -m pip --version >/dev/null 2>&1; then
        # Without python3-venv: the packages alone, which is enough for the binaries in them.
        python3 -m pip install --quiet --disable-pip-version-check --upgrade --target "$venv/lib" \
            --requirement "$here/python.txt" || fail "pip failed; check the network"
    else
        fail "python3 has neither venv nor pip; install python3-venv"
    fi
    # The package's own command starts Python to start the binary: point past it.
    native=$(find "$venv/lib" -path '*/niimath/bin/niimath' -print -quit)
    [[ -n $native ]] || fail "the niimath package holds no binary for this machine"
    mkdir -p "$venv/bin"
    ln -sfr "$native" "$venv/bin/niimath"
    cp "$here/python.txt" "$stamp"
}

main
