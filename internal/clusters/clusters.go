// Package clusters knows which clusters there are and makes client
// configurations for them: with the product's own credentials, or as a user.
package clusters

import (
	"errors"

	"k8s.io/client-go/rest"
)

// Cluster is one Kubernetes cluster.
type Cluster struct {
	// Name is how the console and the CLI call it.
	Name string `json:"name" doc:"Name of the cluster."`
	// Server is the URL of its kube-apiserver.
	Server string `json:"server" doc:"URL of the kube-apiserver."`
	// Host marks the cluster whose users sign in to the console.
	Host bool `json:"host" doc:"Users of this cluster sign in to the console."`
}

// User is who a request is made for.
type User struct {
	// Name and Groups as the host cluster knows them.
	Name   string
	Groups []string
	// Token is the user's own, good on the host cluster.
	Token string
}

// Clusters finds clusters by name.
type Clusters interface {
	// List in order of name.
	List() []Cluster
	// Get fails with ErrUnknown.
	Get(name string) (Cluster, error)
	// Host is the cluster whose users sign in.
	Host() Cluster
	// Config carries the credentials that are stored for the cluster.
	Config(name string) (*rest.Config, error)
	// ForUser carries the user's own rights: the token on the host cluster,
	// impersonation on every other. A user without a token gets no credentials on
	// the host. It fails with ErrSystemUser for names that must not travel.
	ForUser(name string, user User) (*rest.Config, error)
}

// Errors of this package.
var (
	// ErrUnknown means that there is no cluster of the name.
	ErrUnknown = errors.New("unknown cluster")
	// ErrSystemUser means that the user's name belongs to one cluster's own components.
	ErrSystemUser = errors.New("a system user of one cluster is nobody on another")
	// ErrNoClusters means that a kubeconfig has no usable context.
	ErrNoClusters = errors.New("no clusters")
)
