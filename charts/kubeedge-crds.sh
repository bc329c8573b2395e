#!/bin/sh
# Generates KubeEdge's CRDs from its published API types into charts/kubeedge/crds.
# The types are compiled against this project's Kubernetes version, in a module
# of their own: KubeEdge's go.mod points at forks that the types do not need.
set -eu

api=github.com/kubeedge/api@v1.21.0
kubernetes=v0.36.3
here=$(CDPATH= cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

source=$(cd "$work" && go mod download -json "$api" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
mkdir -p "$work/apis"
for group in apps devices operations policy reliablesyncs rules fsm; do
	cp -R "$source/apis/$group" "$work/apis/"
done
chmod -R u+w "$work/apis"
# The old device types are neither stored nor served to anything that is left.
rm -rf "$work/apis/devices/v1alpha2"
find "$work/apis" -name '*_test.go' -delete

cat >"$work/go.mod" <<MOD
module github.com/kubeedge/api

go 1.26.0

require (
	k8s.io/api $kubernetes
	k8s.io/apimachinery $kubernetes
)
MOD
(cd "$work" && go mod tidy >/dev/null 2>&1)
generator=$(cd "$here/.." && go tool -modfile=tools/go.mod -n controller-gen)
(cd "$work" && "$generator" crd:maxDescLen=0 paths=./apis/... output:crd:dir="$work/crds")
# A ServiceAccount inside a CRD: its list of secrets is keyed by a field that a
# CRD's schema would have to make required, which Kubernetes' own type does not.
policy=$work/crds/policy.kubeedge.io_serviceaccountaccesses.yaml
awk '/x-kubernetes-list-map-keys:/ {skip = 3} skip > 0 {skip--; next} {print}' "$policy" >"$policy.new"
mv "$policy.new" "$policy"
rm -f "$here"/kubeedge/crds/*.kubeedge.io_*.yaml
cp "$work"/crds/*.yaml "$here/kubeedge/crds/"
