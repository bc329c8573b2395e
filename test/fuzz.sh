#!/bin/bash
# Runs every fuzz test for FUZZTIME (10m), one after another, and tells how each ended.
#
#   FUZZTIME=10m FUZZ=REGEXP FUZZPARALLEL=2 test/fuzz.sh
#
# Sandbox and product are modules of their own, so each test runs in its directory.
# FUZZ chooses tests by PACKAGE/NAME. The exit status is 1 when one of them found
# something; the input is then below testdata/fuzz of its package, as a test to keep.
#
# New inputs are hardly minimized (10 tries each). Go gives that a minute, in which it
# tests nothing else, and spends it where coverage differs from run to run, as that of
# regular expressions does.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
while IFS=: read -r file func; do
	name=${func#func } dir=./$(dirname "$file")
	name=${name%%(*}
	[[ "$dir/$name" =~ ${FUZZ:-.} ]] || continue
	start=$SECONDS
	if out=$(cd "$dir" && go test . -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-10m}" -fuzzminimizetime 10x -parallel "${FUZZPARALLEL:-2}" 2>&1); then
		execs=$(grep -o 'execs: [0-9]*' <<<"$out" | tail -1)
		echo "ok    $dir $name: $((SECONDS - start)) s, ${execs:-no execs}"
	else
		failed=1
		printf 'FAIL  %s %s\n%s\n' "$dir" "$name" "$out"
	fi
done < <(grep -ro '^func Fuzz[A-Za-z0-9]*(f' --include='*_test.go' cmd internal sandbox test | sort)
exit "$failed"
