// Package clusters knows which clusters there are and makes client
// configurations for them: with the product's own credentials, or as a user.
package clusters

import (
	"golang.org/x/oauth2"
	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// Cluster is one Kubernetes cluster.
type Cluster struct {
	// Name is how the console and the CLI call it.
	Name string `json:"name" doc:"Name of the cluster."`
	// Server is the URL of its kube-apiserver.
	Server string `json:"server" doc:"URL of the kube-apiserver."`
	// Host marks the cluster whose users sign in to the console.
	Host bool `json:"host" doc:"Users of this cluster sign in to the console."`
	// Source says where it was found.
	Source Source `json:"source" enum:"Context,Secret,KubeSphere" doc:"Where it was found: a kubeconfig context, a Secret, or an object of KubeSphere."`
	// Problem says why the stored kubeconfig cannot be used; empty when it can.
	Problem string `json:"-"`
	// Guarded clusters are only for those who may UseVerb them on the host.
	Guarded bool `json:"-"`
	// Revision changes with the stored credentials.
	Revision string `json:"-"`
}

// Source is where a cluster was found.
type Source string

// Sources, in order of precedence for a name that two of them give.
const (
	SourceContext    Source = "Context"
	SourceSecret     Source = "Secret"
	SourceKubeSphere Source = "KubeSphere"
)

// A user sees a guarded cluster when the host cluster's RBAC allows this verb on
// this resource with the cluster's name. No object of the resource exists; RBAC
// needs none.
const (
	UseVerb     = "use"
	UseResource = "memberclusters"
)

// User is who a request is made for.
type User struct {
	// Name and Groups as the host cluster knows them.
	Name   string
	Groups []string
	// Token is the user's own, good on the host cluster.
	Token string
	// Tokens replaces Token when it changes while the user is signed in.
	Tokens oauth2.TokenSource
	// Impersonate acts on the host cluster, too, with the stored credentials: for
	// users who were identified by somebody whom the host cluster does not know.
	Impersonate bool
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
	// the host. It fails with ErrSystemUser for names that must not travel, and
	// with ErrRefused for clusters whose kubeconfig is not used.
	ForUser(name string, user User) (*rest.Config, error)
	// ForRedeemer is for redeeming join codes on another cluster than the host: the
	// chart's ServiceAccount for that, impersonated with the stored credentials.
	ForRedeemer(name string) (*rest.Config, error)
}

// Errors of this package.
var (
	// ErrUnknown means that there is no cluster of the name.
	ErrUnknown = errcat.New("NoSuchCluster", "unknown cluster")
	// ErrSystemUser means that the user's name belongs to one cluster's own components.
	ErrSystemUser = errcat.New("SystemUser", "system: users are not forwarded to other clusters")
	// ErrRefused means that a stored kubeconfig is broken or holds what is not accepted.
	ErrRefused = errcat.New("KubeconfigRefused", "kubeconfig refused")
	// ErrNoClusters means that a kubeconfig has no usable context.
	ErrNoClusters = errcat.New("NoContext", "no clusters")
)
