package server

import (
	"context"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	authzv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// Rights are what the user may do on a cluster; pages use them to explain, the
// cluster itself to decide.
type Rights struct {
	ClusterAdmin bool `json:"clusterAdmin" doc:"Everything: enable, configure and disable KubeEdge"`
	JoinNodes    bool `json:"joinNodes"`
	RetireNodes  bool `json:"retireNodes" doc:"Change enrollments, which retires and cordons edge nodes"`
	PatchNodes   bool `json:"patchNodes"`
	DeleteNodes  bool `json:"deleteNodes"`
	ListNodes    bool `json:"listNodes"`
	ListPods     bool `json:"listPods"`
}

func (s *Server) clusterRoutes() {
	huma.Register(s.api, op(http.MethodGet, pathAPI+"/clusters", "listClusters", "Clusters with their state"), s.listClusters)
	huma.Register(s.api, op(http.MethodGet, pathCluster+"/rights", "getRights", "What the user may do on a cluster"), s.getRights)
}

func serverVersion(ctx context.Context, k kubernetes.Interface) (string, error) {
	var v struct {
		GitVersion string `json:"gitVersion"`
	}
	raw, err := k.Discovery().RESTClient().Get().AbsPath("/version").DoRaw(ctx)
	if err != nil {
		return "", err
	}
	if err := unmarshal(raw, &v); err != nil {
		return "", err
	}
	return v.GitVersion, nil
}

// access is one question of the rights answer.
type access struct {
	group, resource, verb, namespace string
	into                             *bool
}

func (s *Server) getRights(ctx context.Context, in *ClusterPath) (*Body[Rights], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	out := &Body[Rights]{}
	r := &out.Body
	questions := []access{
		{"*", "*", "*", "", &r.ClusterAdmin},
		{v1alpha1.GroupVersion.Group, "edgeenrollments", "create", v1alpha1.JoinNamespace, &r.JoinNodes},
		{v1alpha1.GroupVersion.Group, "edgeenrollments", "update", v1alpha1.JoinNamespace, &r.RetireNodes},
		{"", "nodes", "patch", "", &r.PatchNodes},
		{"", "nodes", "delete", "", &r.DeleteNodes},
		{"", "nodes", "list", "", &r.ListNodes},
		{"", "pods", "list", "", &r.ListPods},
	}
	errs := make([]error, len(questions))
	var wg sync.WaitGroup
	for i, q := range questions {
		wg.Go(func() { *q.into, errs[i] = allowed(ctx, c.kube, q) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, kubeError(err)
		}
	}
	return out, nil
}

func allowed(ctx context.Context, k kubernetes.Interface, q access) (bool, error) {
	return allowedTo(ctx, k, authzv1.ResourceAttributes{Group: q.group, Resource: q.resource, Verb: q.verb, Namespace: q.namespace})
}

func allowedTo(ctx context.Context, k kubernetes.Interface, what authzv1.ResourceAttributes) (bool, error) {
	review := &authzv1.SelfSubjectAccessReview{Spec: authzv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &what}}
	answer, err := k.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return answer.Status.Allowed, nil
}

// mustAdmin refuses whoever is not cluster-admin of that cluster.
func (s *Server) mustAdmin(ctx context.Context, c *clusterClients) error {
	ok, err := allowed(ctx, c.kube, access{group: "*", resource: "*", verb: "*"})
	if err != nil {
		return kubeError(err)
	}
	if !ok {
		return fail(http.StatusForbidden, "ClusterAdminRequired", "only a cluster-admin of this cluster may change its KubeEdge",
			"ask an administrator of the cluster, or to be bound to ClusterRole cluster-admin")
	}
	return nil
}
