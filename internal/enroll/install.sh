#!/bin/sh
# Fetches edgectl from the console, checks it, and joins this device.
#
#   EDGEWAY_CODE=… sh install.sh --server URL --sha256 HEX [--pin sha256//…] [-- options of edgectl join]
#
# Everything is in one function, called on the last line: a download that was cut
# off runs nothing.

edgeway_install() {
	set -eu

	server='' pin='' sha256=''
	while [ $# -gt 0 ]; do
		case "$1" in
		--server) server=${2:?--server needs a URL}; shift 2 ;;
		--pin) pin=${2:?--pin needs sha256//...}; shift 2 ;;
		--sha256) sha256=${2:?--sha256 needs 64 hex digits}; shift 2 ;;
		--) shift; break ;;
		*) echo "edgeway: unknown option $1; use the line from the console unchanged" >&2; return 2 ;;
		esac
	done
	if [ -z "$server" ] || [ -z "$sha256" ] || [ -z "${EDGEWAY_CODE:-}" ]; then
		echo 'edgeway: EDGEWAY_CODE, --server and --sha256 are needed; use the line from the console unchanged' >&2
		return 2
	fi

	machine=$(uname -m)
	case "$machine" in
	x86_64 | amd64) arch=amd64 ;;
	aarch64 | arm64) arch=arm64 ;;
	armv7* | armv8l) arch=arm ;;
	*) echo "edgeway: $machine is none of x86_64, aarch64, armv7: there is no edgectl for it" >&2; return 1 ;;
	esac

	sudo=''
	if [ "$(id -u)" -ne 0 ]; then
		if ! command -v sudo >/dev/null 2>&1; then
			echo 'edgeway: joining needs root, and there is no sudo; run the line as root' >&2
			return 1
		fi
		sudo=sudo
	fi

	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	trap 'exit 130' INT TERM
	echo "edgeway: fetching edgectl for $arch" >&2
	if [ -n "$pin" ]; then
		curl -fsSk --pinnedpubkey "$pin" -o "$dir/edgectl" "$server/join/edgectl/$arch"
	else
		curl -fsS -o "$dir/edgectl" "$server/join/edgectl/$arch"
	fi
	got=$(sha256sum "$dir/edgectl")
	if [ "${got%% *}" != "$sha256" ]; then
		echo "edgeway: the edgectl that came is not the one in the command (SHA-256 ${got%% *}, expected $sha256)." >&2
		echo "edgeway: is this device's architecture ($arch) the one that the node was enrolled with?" >&2
		return 1
	fi
	chmod 0755 "$dir/edgectl"

	set -- join --server "$server" --code-file - "$@"
	if [ -n "$pin" ]; then
		set -- "$@" --pin "$pin"
	fi
	# printf is the shell's own: the code shows up in no process list.
	code=$EDGEWAY_CODE
	unset EDGEWAY_CODE
	printf '%s\n' "$code" | $sudo "$dir/edgectl" "$@"
}

edgeway_install "$@"
