#!/usr/bin/env bash
# What must hold before anything is installed or built. What can only be tried once
# the programs are there, the sandbox's own preflight tries.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
problem() {
	printf 'problem: %s\n  remedy: %s\n' "$1" "$2" >&2
	failed=1
}

[ "$(id -u)" -eq 0 ] || problem "make up needs root: it makes network namespaces and cgroups" "run it as root (sudo make up)"
[ "$(uname -s)" = Linux ] || problem "the sandbox needs Linux, this is $(uname -s)" "use a Linux machine or virtual machine"
command -v go >/dev/null || problem "Go is missing" "install Go 1.26 (https://go.dev/dl) and put it on PATH"
command -v npm >/dev/null || problem "Node and npm are missing" "install Node 20 or later (https://nodejs.org) and put it on PATH"

# Building Kubernetes from an empty cache takes about 8 GB, running the site 4 GB.
need=4096
[ -x bin/kube/kubernetes ] || need=12288
free=$(df --output=avail -m . | tail -n 1 | tr -d ' ')
if [ "$free" -lt "$need" ]; then
	problem "$PWD has $free MiB free, the sandbox needs $need MiB" "free disk space, or move the work tree to a larger disk"
fi
exit "$failed"
