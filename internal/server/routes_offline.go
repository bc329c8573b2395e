package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	authzv1 "k8s.io/api/authorization/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/bundle"
)

// StockJoin is how a device joins with KubeEdge's own tool.
type StockJoin struct {
	Token   string    `json:"token" doc:"KubeEdge's own: until it expires, whoever has it can join under each name that such a token was handed out for"`
	Expires time.Time `json:"expires" doc:"Nothing revokes the token earlier"`
	Command string    `json:"command" doc:"keadm join with every flag"`
}

func (s *Server) offlineRoutes() {
	huma.Register(s.api, op(http.MethodPost, pathEnrollees+"/{enrollment}/token", "createJoinToken",
		"A join token of KubeEdge's own and the command for the stock keadm"), s.createJoinToken)
	pack := op(http.MethodPost, pathEnrollees+"/{enrollment}/bundle", "createBundle", "An offline bundle with the key and the certificate of its one node", metaStream)
	pack.Responses = map[string]*huma.Response{"200": {Description: "The bundle, .tar.gz", Content: map[string]*huma.MediaType{
		"application/gzip": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
	}}}
	huma.Register(s.api, pack, s.createBundle)
}

func (s *Server) createJoinToken(ctx context.Context, in *EnrollmentPath) (*Body[StockJoin], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	e, token, err := joinToken(ctx, c, in.Enrollment)
	if err != nil {
		return nil, err
	}
	status, err := s.cfg.KubeEdge.Status(ctx, c.config)
	if err != nil {
		return nil, kubeError(err)
	}
	if _, err := status.InForce(); err != nil && status.Unreadable != "" {
		return nil, kubeError(err)
	}
	if status.Settings == nil {
		return nil, fail(http.StatusConflict, "KubeEdgeNotEnabled", "KubeEdge is not enabled on this cluster", "enable it first")
	}
	version, err := status.Settings.DeviceVersion()
	if err != nil {
		return nil, fail(http.StatusConflict, "NoKubeEdgeVersion", err.Error(), "set kubeEdgeVersion in the cluster's KubeEdge settings")
	}
	return &Body[StockJoin]{StockJoin{Token: token.Token, Expires: token.Expires,
		Command: enroll.KeadmCommand(&e.Spec, token.Token, version)}}, nil
}

// joinToken asks for one as the user, for the stock keadm.
func joinToken(ctx context.Context, c *clusterClients, name string) (*v1alpha1.EdgeEnrollment, *enroll.JoinToken, error) {
	e, err := findEnrollment(ctx, c, name)
	if err != nil {
		return nil, nil, kubeError(err)
	}
	note(ctx, "nodeName", e.Spec.NodeName)
	// The cluster's admission policy asks the same; asked here, the answer says what helps.
	may, err := allowedTo(ctx, c.kube, authzv1.ResourceAttributes{Verb: "create", Group: "edgeway.io", Resource: "edgeenrollments",
		Subresource: "token", Namespace: v1alpha1.JoinNamespace, Name: name})
	if err != nil {
		return nil, nil, kubeError(err)
	}
	if !may {
		return nil, nil, kubeError(enroll.TokenForbidden())
	}
	token, err := enroll.RequestToken(ctx, c.objects, e, true)
	if errors.Is(err, enroll.ErrNoToken) {
		return nil, nil, fail(http.StatusConflict, "NoToken", err.Error(), "create a new enrollment, or look at this one's conditions")
	}
	if err != nil {
		return nil, nil, kubeError(err)
	}
	return e, token, nil
}

type bundleInput struct {
	EnrollmentPath
	Body *struct {
		Passphrase string `json:"passphrase,omitempty" minLength:"12" maxLength:"1024" doc:"Seals the key of the node; edgectl asks for it. Nobody keeps it."`
	} `required:"false"`
}

func (s *Server) createBundle(ctx context.Context, in *bundleInput) (*huma.StreamResponse, error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	e, err := findEnrollment(ctx, c, in.Enrollment)
	if err != nil {
		return nil, kubeError(err)
	}
	note(ctx, "nodeName", e.Spec.NodeName)
	config, err := enroll.EdgeCoreConfig(&e.Spec)
	if err != nil {
		return nil, err
	}
	var sources []bundle.Source
	// What the user may do comes before what this console can do, and both before the
	// code is spent.
	identity, err := enroll.RequestIdentity(ctx, c.objects, e, func() error {
		if s.cfg.Installers != nil {
			sources = s.cfg.Installers.BundleSources(e.Spec.Arch)
		}
		if len(sources) == 0 {
			return fail(http.StatusConflict, "NoInstaller", "this console has no edgectl for "+e.Spec.Arch,
				"put edgectl-"+e.Spec.Arch+" into its artifact directory and restart it")
		}
		return nil
	})
	if err != nil {
		if answered := (*Error)(nil); errors.As(err, &answered) {
			return nil, answered
		}
		return nil, kubeError(err)
	}
	join := bundle.Offline{Key: string(identity.Key), Certificate: string(identity.Certificate), CA: string(identity.CA),
		Expires: identity.Expires, EdgeCoreConfig: string(config), Lookup: enroll.Lookup(&e.Spec)}
	passphrase := ""
	if in.Body != nil {
		passphrase = in.Body.Passphrase
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "application/gzip")
		hc.SetHeader("Content-Disposition", fmt.Sprintf("attachment; filename=%q", bundle.Directory(e.Spec.NodeName)+".tar.gz"))
		hc.SetStatus(http.StatusOK)
		if err := bundle.Write(hc.BodyWriter(), join, passphrase, sources, s.cfg.Now()); err != nil {
			s.log.Warn("offline bundle not written", "node", e.Spec.NodeName, "error", err)
			// The status line is gone; a cut connection is the only way left to say so.
			panic(http.ErrAbortHandler)
		}
	}}, nil
}
