// Package images makes the product's container images: one index a program with a
// manifest for every platform, from static programs and nothing else. The same
// programs give the same digests.
package images

import (
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Repository is what the names of all images start with, behind the registry.
const Repository = "edgeway"

// Users of the images.
const (
	nonRoot = "65532:65532"
	// root is for NET_ADMIN: Kubernetes has no ambient capabilities.
	root = "0:0"
)

// Spec says what an image is made of.
type Spec struct {
	Name, Description string
	// Program is its entrypoint, built for every platform.
	Program string
	Cmd     []string
	User    string
	// Platforms as "amd64", "arm64" or "arm" (v7), all of Linux.
	Platforms []string
	// Extra files are the same on every platform.
	Extra []Extra
}

// Extra is a program that an image carries for other machines.
type Extra struct {
	// Path inside the image.
	Path string
	// Program for Platform.
	Program, Platform string
}

// ArtifactsDir is where the console's image has what devices download.
const ArtifactsDir = "/artifacts"

var (
	servers = []string{"amd64", "arm64"}
	devices = []string{"amd64", "arm64", "arm"}
)

// Product lists all images.
func Product() []Spec {
	console := Spec{Name: "edgeway", Program: "edgeway", Cmd: []string{"console"}, User: nonRoot, Platforms: servers,
		Description: "Edgeway's console and command line"}
	for _, platform := range devices {
		console.Extra = append(console.Extra, Extra{Path: path.Join(ArtifactsDir, "edgectl-"+platform), Program: "edgectl", Platform: platform})
	}
	return []Spec{
		console,
		{Name: "edge-watcher", Program: "edge-watcher", User: nonRoot, Platforms: servers,
			Description: "Decides the routes to edge nodes and signs their joins"},
		{Name: "iptables-operator", Program: "iptables-operator", User: root, Platforms: servers,
			Description: "Puts the routes to edge nodes into the kernel, by nftables"},
		{Name: "stream-gate", Program: "stream-gate", User: nonRoot, Platforms: servers,
			Description: "Decides who reaches edge nodes and which device is which node"},
		{Name: "probe", Program: "edgeway-probe", User: nonRoot, Platforms: devices,
			Description: "Proves once that an edge node runs pods"},
	}
}

// Programs lists which programs have to be there for which platform.
func (s Spec) Programs() []Extra {
	var out []Extra
	for _, p := range s.Platforms {
		out = append(out, Extra{Program: s.Program, Platform: p})
	}
	return append(out, s.Extra...)
}

func platformOf(arch string) v1.Platform {
	p := v1.Platform{OS: "linux", Architecture: arch}
	if arch == "arm" {
		p.Variant = "v7"
	}
	return p
}
