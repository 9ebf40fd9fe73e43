#!/usr/bin/env bash
# Makes sure of a real libzmq to test against, in C and in Python. The library
# itself needs none of this.
set -euo pipefail

missing=()
need() { # need <package> <command that succeeds if it is here>
	local package=$1
	shift
	"$@" >/dev/null 2>&1 || missing+=("$package")
}

need gcc command -v gcc
need pkg-config command -v pkg-config
need libzmq3-dev pkg-config --exists libzmq
# Debian's module belongs to Debian's interpreter, which need not be the first
# in PATH.
need python3-zmq /usr/bin/python3 -c 'import zmq'

if ((${#missing[@]} == 0)); then
	exit 0
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
	echo "The tests need a real libzmq. Install: ${missing[*]}" >&2
	echo "On Debian or Ubuntu: sudo apt-get install ${missing[*]}" >&2
	exit 1
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# gcc alone brings no C library headers unless libc6-dev comes with it.
apt-get install -qq -y --no-install-recommends libc6-dev "${missing[@]}" >/dev/null
