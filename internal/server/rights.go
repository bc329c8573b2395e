package server

import "github.com/danielgtaylor/huma/v2"

// Right is one right of Kubernetes, as kubectl auth can-i takes it.
type Right struct {
	Verb        string `json:"verb"`
	Group       string `json:"group,omitempty"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
	// Namespace is "{namespace}" where the request names it, "" for the whole cluster.
	Namespace string `json:"namespace,omitempty"`
}

// extensionRights is where the OpenAPI document says what a change needs.
const extensionRights = "x-kubernetes-rights"

var (
	clusterAdmin = []Right{{Verb: "*", Group: "*", Resource: "*"}}
	// changeEnrollment finds the enrollment and patches it.
	changeEnrollment = []Right{
		{Verb: "list", Group: "edgeway.io", Resource: "edgeenrollments", Namespace: "edgeway-join"},
		patchEnrollment,
	}
	patchEnrollment = Right{Verb: "patch", Group: "edgeway.io", Resource: "edgeenrollments", Namespace: "edgeway-join"}
	getNode         = Right{Verb: "get", Resource: "nodes"}
)

// writeRights says which rights each change needs. Nothing here enforces them: the
// cluster does, since every request to it carries the user's own rights.
var writeRights = map[string][]Right{
	"signIn": {}, "signOut": {}, "startOIDC": {},
	"planKubeEdge": clusterAdmin, "applyKubeEdge": clusterAdmin, "disableKubeEdge": clusterAdmin, "checkPorts": clusterAdmin,
	"createEnrollment":   {{Verb: "create", Group: "edgeway.io", Resource: "edgeenrollments", Namespace: "edgeway-join"}},
	"createEnrollments":  {{Verb: "create", Group: "edgeway.io", Resource: "edgeenrollments", Namespace: "edgeway-join"}},
	"setEnrollmentState": {{Verb: "get", Group: "edgeway.io", Resource: "edgeenrollments", Namespace: "edgeway-join"}, patchEnrollment},
	"createJoinToken": {{Verb: "get", Group: "edgeway.io", Resource: "edgeenrollments", Namespace: "edgeway-join"}, patchEnrollment,
		{Verb: "create", Group: "edgeway.io", Resource: "edgeenrollments", Subresource: "token", Namespace: "edgeway-join"}},
	"createBundle":      {{Verb: "get", Group: "edgeway.io", Resource: "edgeenrollments", Namespace: "edgeway-join"}, patchEnrollment},
	"leaveNode":         append([]Right{getNode}, changeEnrollment...),
	"setNodeScheduling": append([]Right{getNode}, changeEnrollment...),
	"setNodeMetadata":   append([]Right{getNode}, changeEnrollment...),
	"deletePod":         {{Verb: "delete", Resource: "pods", Namespace: "{namespace}"}},
}

// documentRights puts writeRights into the OpenAPI document.
func (s *Server) documentRights() {
	for _, path := range s.api.OpenAPI().Paths {
		for _, o := range operationsOf(path) {
			rights, ok := writeRights[o.OperationID]
			if !ok {
				continue
			}
			if o.Extensions == nil {
				o.Extensions = map[string]any{}
			}
			o.Extensions[extensionRights] = rights
		}
	}
}

func operationsOf(p *huma.PathItem) []*huma.Operation {
	var out []*huma.Operation
	for _, o := range []*huma.Operation{p.Get, p.Put, p.Post, p.Patch, p.Delete} {
		if o != nil {
			out = append(out, o)
		}
	}
	return out
}
