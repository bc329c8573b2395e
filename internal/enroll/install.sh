#!/bin/sh
# Fetches edgectl from the console, checks it, and joins this device.
#
#   EDGEWAY_CODE=… sh install.sh --server URL --sha256 HEX [--pin sha256//…] [-- options of edgectl join]
#
# The exit status is 0 when the device has joined, and nothing else is 0:
# 2 unusable options, 5 edgectl could not be fetched or is not the expected one,
# 128 + N ended by signal N, everything else is the status of "edgectl join".
#
# Needs a POSIX shell (dash, busybox ash, bash), curl or wget, and sha256sum.
# Everything is in functions, and the last line calls the first one: a download
# that was cut off runs nothing.

edgeway_install() {
	set -eu

	server='' pin='' sha256='' dir='' caught=''
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
	*) echo "edgeway: this device is a $machine; edgectl runs on x86_64, aarch64 and armv7" >&2; return 1 ;;
	esac

	as_root=''
	if [ "$(id -u)" -ne 0 ]; then
		as_root=$(command -v sudo || command -v doas || :)
		if [ -z "$as_root" ]; then
			echo 'edgeway: joining needs root, and there is neither sudo nor doas; run the line as root' >&2
			return 1
		fi
	fi

	trap '[ -z "$dir" ] || rm -rf "$dir"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	edgeway_workdir || return 5
	echo "edgeway: fetching edgectl for $arch" >&2
	edgeway_fetch "$server/join/edgectl/$arch" "$dir/edgectl" || return 5
	got=$(sha256sum "$dir/edgectl")
	if [ "${got%% *}" != "$sha256" ]; then
		echo "edgeway: the edgectl that came is not the one in the command (SHA-256 ${got%% *}, expected $sha256)." >&2
		echo "edgeway: is this device's architecture ($arch) the one that the node was enrolled with?" >&2
		return 5
	fi
	chmod 0755 "$dir/edgectl"

	set -- join --server "$server" --code-file - "$@"
	if [ -n "$pin" ]; then
		set -- "$@" --pin "$pin"
	fi
	edgeway_run "$@"
}

# edgeway_workdir makes dir, a private directory whose files can be run: /tmp may
# be read-only, full or mounted noexec.
edgeway_workdir() {
	for base in "${TMPDIR:-/tmp}" /var/tmp /var/lib /run "${HOME:-/root}"; do
		dir=$(mktemp -d "$base/edgeway.XXXXXX" 2>/dev/null) || { dir=''; continue; }
		if edgeway_usable; then
			return 0
		fi
		rm -rf "$dir"
		dir=''
	done
	echo "edgeway: none of ${TMPDIR:-/tmp}, /var/tmp, /var/lib, /run and ${HOME:-/root} has 32 MiB free and lets programs run." >&2
	echo 'edgeway: name a directory that does: export TMPDIR=/path, then run the line again' >&2
	return 1
}

# edgeway_usable tells whether dir has room for edgectl and lets programs run.
edgeway_usable() {
	free=$(df -Pk "$dir" 2>/dev/null | { read -r _ && read -r _ _ _ free _ && echo "$free"; }) || free=''
	case "$free" in
	'' | *[!0-9]*) ;; # unknown: the download will tell
	*) [ "$free" -ge 32768 ] || return 1 ;;
	esac
	printf '#!/bin/sh\n' >"$dir/try" && chmod 0700 "$dir/try" && "$dir/try" 2>/dev/null
}

# edgeway_fetch URL FILE. The checksum in the command decides what is run, so with
# a pin the certificate's issuer does not matter here; edgectl itself checks the pin.
edgeway_fetch() {
	if command -v curl >/dev/null 2>&1; then
		curl -fsS ${pin:+-k} --connect-timeout 30 -o "$2" "$1" && return 0
		status=$?
		with=curl
	elif command -v wget >/dev/null 2>&1; then
		# Busybox's shell prefers Busybox's own to the device's.
		with=/usr/bin/wget
		[ -x "$with" ] || with=wget
		# Busybox's knows no limits; GNU's would try for hours.
		limits=''
		if "$with" --version >/dev/null 2>&1; then
			limits='-T 30 -t 2'
		elif [ -n "${https_proxy:-}" ] && command -v openssl >/dev/null 2>&1; then
			edgeway_tunnel "$1" "$2" && return 0
			echo "edgeway: openssl could not fetch $1 through the proxy $https_proxy." >&2
			return 1
		fi
		"$with" -q $limits ${pin:+--no-check-certificate} -O "$2" "$1" && return 0
		status=$?
		if [ -z "$limits" ] && [ -n "${https_proxy:-}" ]; then
			echo "edgeway: Busybox's wget cannot use the proxy $https_proxy for https; install curl, wget or openssl" >&2
		fi
	else
		echo 'edgeway: there is neither curl nor wget on this device; install one of them' >&2
		return 1
	fi
	echo "edgeway: $with could not fetch $1 (its exit status is $status)." >&2
	echo "edgeway: check that this device reaches $server${https_proxy:+ through the proxy $https_proxy}" >&2
	return 1
}

# edgeway_tunnel URL FILE fetches through the proxy. Busybox's wget asks a proxy for the
# page itself and not for a tunnel to the server, which proxies refuse for https.
edgeway_tunnel() {
	host=${1#*://}
	path=/${host#*/}
	host=${host%%/*}
	case "$host" in *:*) ;; *) host=$host:443 ;; esac
	proxy=${https_proxy#*://}
	cr=$(printf '\r')
	printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$path" "$host" |
		openssl s_client -quiet -proxy "${proxy%%/*}" -connect "$host" 2>/dev/null |
		{
			IFS= read -r line || return 1
			case "$line" in 'HTTP/1.'?' 200'*) ;; *) return 1 ;; esac
			while IFS= read -r line && [ "$line" != "$cr" ]; do :; done
			cat >"$2"
		}
}

# edgeway_run runs edgectl as root and returns its exit status. Code and proxy go
# through a pipe: arguments show up in the process list, and sudo drops the
# environment. printf and read are the shell's own.
edgeway_run() {
	code=$EDGEWAY_CODE
	unset EDGEWAY_CODE
	printf '%s\n' "${https_proxy:-${HTTPS_PROXY:-}}" "${no_proxy:-${NO_PROXY:-}}" "$code" |
		$as_root sh -c 'IFS= read -r https_proxy; IFS= read -r no_proxy; export https_proxy no_proxy; exec "$@"' edgeway "$dir/edgectl" "$@" &
	child=$!
	# edgectl undoes a join that is interrupted, and this script waits for that.
	trap 'caught=1; kill -TERM "$child" 2>/dev/null || :' HUP INT TERM
	status=0
	wait "$child" || status=$?
	while [ -n "$caught" ] && [ "$status" -gt 128 ]; do
		caught='' status=0
		wait "$child" || status=$?
	done
	return "$status"
}

edgeway_install "$@"
