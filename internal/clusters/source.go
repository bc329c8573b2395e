package clusters

import (
	"context"
	"encoding/base64"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

// Secrets with LabelMember hold the kubeconfig of a member cluster under KeyKubeconfig.
// The cluster's name is that of the Secret.
const (
	LabelMember   = "edgeway.io/member-cluster"
	KeyKubeconfig = "kubeconfig"
)

// Member is a cluster as a Finder found it.
type Member struct {
	Name       string
	Kubeconfig []byte
	// Refused says why it cannot be used whatever its kubeconfig holds.
	Refused string
}

// Finder looks for member clusters on the host cluster.
type Finder interface {
	Source() Source
	Find(ctx context.Context) ([]Member, error)
}

// Secrets finds members in Secrets of one namespace. It needs the right to list them.
type Secrets struct {
	Client    kubernetes.Interface
	Namespace string
}

// Source is SourceSecret.
func (s Secrets) Source() Source { return SourceSecret }

// Find lists the Secrets that are labeled edgeway.io/member-cluster=true.
func (s Secrets) Find(ctx context.Context) ([]Member, error) {
	list, err := s.Client.CoreV1().Secrets(s.Namespace).List(ctx, metav1.ListOptions{LabelSelector: LabelMember + "=true"})
	if err != nil {
		return nil, fmt.Errorf("list Secrets of member clusters in namespace %s: %w", s.Namespace, err)
	}
	out := make([]Member, 0, len(list.Items))
	for i := range list.Items {
		m := Member{Name: list.Items[i].Name, Kubeconfig: list.Items[i].Data[KeyKubeconfig]}
		if len(m.Kubeconfig) == 0 {
			m.Refused = "the Secret has no key " + KeyKubeconfig + ": store the cluster's kubeconfig under it"
		}
		out = append(out, m)
	}
	return out, nil
}

var kubeSphereClusters = schema.GroupVersionResource{Group: "cluster.kubesphere.io", Version: "v1alpha1", Resource: "clusters"}

// labelKubeSphereHost is on the object that stands for the host cluster itself.
const labelKubeSphereHost = "cluster-role.kubesphere.io/host"

// KubeSphere finds members in KubeSphere's Cluster objects. It needs the right to list them.
type KubeSphere struct {
	Client dynamic.Interface
}

// Source is SourceKubeSphere.
func (k KubeSphere) Source() Source { return SourceKubeSphere }

// Find lists all Cluster objects but the host's own.
func (k KubeSphere) Find(ctx context.Context) ([]Member, error) {
	list, err := k.Client.Resource(kubeSphereClusters).List(ctx, metav1.ListOptions{LabelSelector: "!" + labelKubeSphereHost})
	if err != nil {
		return nil, fmt.Errorf("list KubeSphere's Cluster objects: %w", err)
	}
	out := make([]Member, 0, len(list.Items))
	for i := range list.Items {
		out = append(out, kubeSphereMember(&list.Items[i]))
	}
	return out, nil
}

func kubeSphereMember(object *unstructured.Unstructured) Member {
	m := Member{Name: object.GetName()}
	enabled, found, err := unstructured.NestedBool(object.Object, "spec", "enable")
	switch {
	case err != nil:
		m.Refused = "spec.enable is neither true nor false: correct it"
		return m
	case found && !enabled:
		m.Refused = "the cluster is disabled in KubeSphere: enable it there"
		return m
	}
	text, _, err := unstructured.NestedString(object.Object, "spec", "connection", "kubeconfig")
	if err == nil {
		m.Kubeconfig, err = base64.StdEncoding.DecodeString(text)
	}
	switch {
	case err != nil:
		m.Refused = "spec.connection.kubeconfig is not base64 text"
	case len(m.Kubeconfig) == 0:
		m.Refused = "spec.connection.kubeconfig is empty: KubeSphere has not connected the cluster yet"
	}
	return m
}
