#!/usr/bin/env bash
# Makes sure of a real libzmq to test against, in C and in Python, of OpenPGM, and of what the
# networks in bench/lab are made and watched with. The library itself needs none
# of this.
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
need libpgm-dev pkg-config --exists openpgm-5.3
# Debian's module belongs to Debian's interpreter, which need not be the first
# in PATH.
need python3-zmq /usr/bin/python3 -c 'import zmq'

# Where only root's PATH has them, others may look.
PATH=$PATH:/usr/sbin:/sbin
need iproute2 command -v ip
need tcpdump command -v tcpdump

if ((${#missing[@]} == 0)); then
	exit 0
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
	echo "The tests need more than is here. Install: ${missing[*]}" >&2
	echo "On Debian or Ubuntu: sudo apt-get install ${missing[*]}" >&2
	exit 1
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# gcc alone brings no C library headers unless libc6-dev comes with it.
apt-get install -qq -y --no-install-recommends libc6-dev "${missing[@]}" >/dev/null
