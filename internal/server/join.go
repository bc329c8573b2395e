package server

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/edgeway-io/edgeway/internal/enroll/bundle"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

// Installers knows the files that devices download.
type Installers interface {
	// EdgectlSHA256 in hex; empty when there is none for the architecture.
	EdgectlSHA256(arch string) string
	// BundleSources are the files of an offline bundle; none when none can be made.
	BundleSources(arch string) []bundle.Source
}

// devicePaths are what package wire promises to devices: no sign-in, no cookie.
var devicePaths = []struct{ method, path, id, summary string }{
	{http.MethodPost, wire.PathLookup, "joinLookup", "What a join code stands for; called by edgectl"},
	{http.MethodPost, wire.PathRedeem, "joinRedeem", "Redeem a join code; called by edgectl"},
	{http.MethodPost, wire.PathReport, "joinReport", "Why a device does not join; called by edgectl with the code"},
	{http.MethodGet, wire.PathStatus, "joinStatus", "How far a join has come; called by edgectl with its status token"},
	{http.MethodGet, wire.PathInstall, "joinInstaller", "The installer script"},
	{http.MethodGet, wire.PathEdgectl + "{arch}", "joinEdgectl", "edgectl for an architecture"},
	{http.MethodGet, wire.PathEdgecore + "{arch}", "joinEdgecore", "EdgeCore for an architecture"},
}

// joinRoutes hands the devices' paths to the join handler and documents them.
func (s *Server) joinRoutes() {
	for _, d := range devicePaths {
		o := op(d.method, d.path, d.id, d.summary, metaPublic, metaDevice)
		o.Responses = map[string]*huma.Response{"200": {Description: "See the package wire of the project"}}
		s.api.OpenAPI().AddOperation(&o)
		s.mux.Handle(d.method+" "+d.path, s.joinHandler())
	}
}

func (s *Server) joinHandler() http.Handler {
	if s.cfg.Join != nil {
		return s.cfg.Join
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		e := fail(http.StatusServiceUnavailable, "JoinNotConfigured", "this console cannot redeem join codes",
			"start it with --join-kubeconfig, or in a cluster with its ServiceAccount")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(e.status)
		if err := s.api.Marshal(w, "application/json", e); err != nil {
			s.log.Debug("write refusal", "error", err)
		}
	})
}
