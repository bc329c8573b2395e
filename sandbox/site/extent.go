package site

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Extent is how much a site has beyond what every site has.
type Extent struct {
	// Spares are edge hosts that wait to be joined, in addition to orangepi.
	Spares int `json:"spares"`
	// Clusters is 1, or 2 with the cluster "branch".
	Clusters int `json:"clusters"`
	// KubeEdge is the directory of the real programs; empty for the stand-ins.
	KubeEdge string `json:"kubeEdge,omitempty"`
}

// Bounds of an Extent.
const (
	MaxSpares   = 20
	MaxClusters = 2
)

// Validate names the flag that is out of bounds.
func (e Extent) Validate() error {
	if e.Spares < 0 || e.Spares > MaxSpares {
		return fmt.Errorf("--spares %d: give 0 to %d", e.Spares, MaxSpares)
	}
	if e.Clusters < 1 || e.Clusters > MaxClusters {
		return fmt.Errorf("--clusters %d: give 1 or %d", e.Clusters, MaxClusters)
	}
	return nil
}

// fixedEdges is how many edge hosts every site has.
const fixedEdges = 3

// With adds what the extent asks for and the site does not have yet: orangepi-2
// and so on, and the second cluster's host. Nothing is taken away.
func (s Site) With(e Extent) Site {
	for n := len(s.Edges) - fixedEdges + 1; n <= e.Spares; n++ {
		last := fixedEdges + n
		s.Edges = append(s.Edges[:len(s.Edges):len(s.Edges)], s.edge(fmt.Sprintf("orangepi-%d", n+1), fmt.Sprintf("192.168.100.%d", last),
			fmt.Sprintf("nat-orange-%d", n+1), fmt.Sprintf("198.18.0.%d", 10+last), fmt.Sprintf("10.244.%d.0/24", 100+last), false))
	}
	if e.Clusters > 1 && s.Branch == nil {
		h := s.host("branch", cloudSysctls)
		s.Branch = &h
	}
	return s
}

// ErrOtherKubeEdge is returned for other KubeEdge programs than the running site's.
var ErrOtherKubeEdge = errors.New("the site that is up runs other KubeEdge programs")

// WithKubeEdge takes the real programs of a directory; empty keeps what the site has.
// A site that is up keeps its kind: half of it would still run the other programs.
func (s Site) WithKubeEdge(dir string) (Site, error) {
	if dir == "" || dir == s.KubeEdgeDir {
		return s, nil
	}
	if s.running() {
		return s, fmt.Errorf("--kubeedge %s: %w (%s): run make down first", dir, ErrOtherKubeEdge, cmp.Or(s.KubeEdgeDir, "the stand-ins"))
	}
	s.KubeEdgeDir = dir
	return s, nil
}

func (s Site) extent() Extent {
	e := Extent{Spares: len(s.Edges) - fixedEdges, Clusters: 1, KubeEdge: s.KubeEdgeDir}
	if s.Branch != nil {
		e.Clusters = 2
	}
	return e
}

// extentFile says what a site was brought up with.
func (s Site) extentFile() string { return filepath.Join(s.Dir, "extent.json") }

// savedExtent is empty for a site that is not up.
func (s Site) savedExtent() Extent {
	var e Extent
	b, err := os.ReadFile(s.extentFile())
	if err != nil || json.Unmarshal(b, &e) != nil {
		return Extent{}
	}
	return e
}

func (s Site) saveExtent() error {
	b, err := json.Marshal(s.extent())
	if err != nil {
		return err
	}
	return os.WriteFile(s.extentFile(), b, 0o644)
}
