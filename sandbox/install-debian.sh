#!/usr/bin/env bash
# install-debian.sh package...: install the Debian packages that are missing.
set -euo pipefail
missing=()
for p in "$@"; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q ' installed' || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0
command -v apt-get >/dev/null || {
	echo "these packages are missing, and this is no Debian: ${missing[*]}" >&2
	echo "  remedy: install them, or what your system calls them" >&2
	exit 1
}
echo "installing Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Starting daemons is the sandbox's business, not the packages': while they are being
# installed, policy-rc.d answers 101, "forbidden by policy".
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
	trap 'rm -f "$policy"' EXIT
fi
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
