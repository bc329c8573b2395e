package server

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Paths shared by operations.
const (
	pathAPI       = "/api/v1"
	pathCluster   = pathAPI + "/clusters/{cluster}"
	pathNode      = pathCluster + "/nodes/{node}"
	pathPod       = pathCluster + "/pods/{namespace}/{pod}"
	pathKubeEdge  = pathCluster + "/kubeedge"
	pathEnrollees = pathCluster + "/enrollments"
)

// anonymousBody bounds what somebody who is not signed in can have the console hold, in
// bytes: a token, and what JSON makes of it.
const anonymousBody = 32 << 10

// ClusterPath names the cluster.
type ClusterPath struct {
	Cluster string `path:"cluster" maxLength:"253" doc:"Name of the cluster"`
}

// NodePath names a node.
type NodePath struct {
	ClusterPath
	Node string `path:"node" maxLength:"253" doc:"Name of the node"`
}

// PodPath names a pod.
type PodPath struct {
	ClusterPath
	Namespace string `path:"namespace" maxLength:"63" doc:"Namespace of the pod"`
	Pod       string `path:"pod" maxLength:"253" doc:"Name of the pod"`
}

// Body wraps an answer.
type Body[T any] struct{ Body T }

func (s *Server) routes() {
	s.sessionRoutes()
	s.oidcRoutes()
	s.clusterRoutes()
	s.kubeEdgeRoutes()
	s.nodeRoutes()
	s.podRoutes()
	s.metricsRoutes()
	s.logRoutes()
	s.terminalRoutes()
	s.enrollmentRoutes()
	s.operationRoutes()
}

// op describes an operation. Without sign-in only those flagged metaPublic answer.
func op(method, path, id, summary string, flags ...string) huma.Operation {
	o := huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary,
		Metadata: map[string]any{}, Security: []map[string][]string{{"session": {}}},
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusBadGateway},
	}
	for _, f := range flags {
		o.Metadata[f] = true
		if f == metaPublic {
			o.Security = []map[string][]string{{}}
			o.MaxBodyBytes = anonymousBody
			o.Errors = []int{http.StatusUnprocessableEntity, http.StatusTooManyRequests}
		}
	}
	return o
}
