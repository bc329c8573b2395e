// Package charts carries the Helm charts inside the binaries that install them.
package charts

import "embed"

// KubeEdge is the chart that runs KubeEdge on a cluster, under the folder "kubeedge".
//
//go:embed all:kubeedge
var KubeEdge embed.FS
