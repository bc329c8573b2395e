#!/usr/bin/env bash
# progress.sh "what" command...: run a long command and show that it is alive, with
# the time it has taken; its output only when it fails.
set -uo pipefail
what=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
start=$SECONDS
"$@" >"$log" 2>&1 &
pid=$!
trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
interval=1
[ -t 1 ] || interval=30
ticks=0
while kill -0 "$pid" 2>/dev/null; do
	sleep 0.2
	ticks=$((ticks + 1))
	if [ $((ticks % (interval * 5))) -eq 0 ]; then
		if [ -t 1 ]; then
			printf '\r%s ... %ds' "$what" $((SECONDS - start))
		else
			printf '%s ... %ds\n' "$what" $((SECONDS - start))
		fi
	fi
done
if wait "$pid"; then
	[ -t 1 ] && printf '\r'
	printf '%s: %ds\n' "$what" $((SECONDS - start))
	exit 0
else
	status=$?
	printf '\n%s failed:\n' "$what"
	cat "$log"
	exit "$status"
fi
