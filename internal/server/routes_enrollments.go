package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/observe"
)

// JoinRequest is the join wizard's first step.
type JoinRequest struct {
	NodeName        string            `json:"nodeName"`
	Arch            string            `json:"arch" enum:"amd64,arm64,arm"`
	NodeIP          string            `json:"nodeIP"`
	CloudCore       JoinCloudCore     `json:"cloudCore"`
	Labels          map[string]string `json:"labels"`
	Taints          []observe.Taint   `json:"taints"`
	EdgeStream      bool              `json:"edgeStream"`
	EdgeMesh        bool              `json:"edgeMesh"`
	EventBus        bool              `json:"eventBus"`
	RuntimeEndpoint string            `json:"runtimeEndpoint,omitempty"`
	CgroupDriver    string            `json:"cgroupDriver,omitempty" enum:",cgroupfs,systemd"`
	LifetimeMinutes int               `json:"lifetimeMinutes" minimum:"1" maximum:"43200"`
}

// JoinCloudCore is CloudCore as the device reaches it; a port of 0 is off.
type JoinCloudCore struct {
	Host          string `json:"host"`
	WebSocketPort int32  `json:"webSocketPort" minimum:"0" maximum:"65535"`
	QUICPort      int32  `json:"quicPort" minimum:"0" maximum:"65535"`
	CertPort      int32  `json:"certPort" minimum:"0" maximum:"65535"`
	TunnelPort    int32  `json:"tunnelPort" minimum:"0" maximum:"65535"`
}

// Enrollment is how far one device has come.
type Enrollment struct {
	Name       string              `json:"name"`
	NodeName   string              `json:"nodeName"`
	NodeIP     string              `json:"nodeIP"`
	Arch       string              `json:"arch"`
	State      string              `json:"state"`
	Phase      string              `json:"phase"`
	EdgeStream bool                `json:"edgeStream" doc:"Without it the phases end at Ready"`
	Conditions []observe.Condition `json:"conditions"`
	// FailedChecks are text by whoever holds the code.
	FailedChecks []FailedCheck `json:"failedChecks,omitempty" doc:"What the device says keeps it from joining"`
	Created      time.Time     `json:"created"`
	Expires      *time.Time    `json:"expires,omitempty"`
}

// FailedCheck is one of the device's own checks that failed.
type FailedCheck struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// NewEnrollment is an enrollment with its code, which is shown this one time.
type NewEnrollment struct {
	Enrollment
	Command        string `json:"command" doc:"One line to paste at the device; empty when CommandProblem says why"`
	InstallCommand string `json:"installCommand" doc:"For an edgectl downloaded by hand"`
	CommandProblem string `json:"commandProblem,omitempty"`
	Code           string `json:"code"`
}

type createEnrollmentInput struct {
	ClusterPath
	Body JoinRequest
}

// EnrollmentPath names an enrollment.
type EnrollmentPath struct {
	ClusterPath
	Enrollment string `path:"enrollment" maxLength:"253"`
}

type enrollmentStateInput struct {
	EnrollmentPath
	Body struct {
		State string `json:"state" enum:"Active,Revoked,Cordoned,Retired" doc:"Retired only gives up a join whose node has not registered; a node leaves by leaveNode"`
	}
}

func (s *Server) enrollmentRoutes() {
	huma.Register(s.api, op(http.MethodGet, pathEnrollees, "listEnrollments", "Enrollments of edge nodes"), s.listEnrollments)
	huma.Register(s.api, op(http.MethodPost, pathEnrollees, "createEnrollment", "Begin to join an edge node"), s.createEnrollment)
	huma.Register(s.api, op(http.MethodGet, pathEnrollees+"/{enrollment}", "getEnrollment", "One enrollment"), s.getEnrollment)
	huma.Register(s.api, op(http.MethodPatch, pathEnrollees+"/{enrollment}", "setEnrollmentState", "Revoke, cordon or re-activate"), s.patchEnrollment)
	huma.Register(s.api, op(http.MethodGet, pathCluster+"/join-defaults", "getJoinDefaults", "What the join wizard proposes"), s.joinDefaults)
	events := op(http.MethodGet, pathEnrollees+"/{enrollment}/events", "streamEnrollment", "An enrollment's phases as server-sent events", metaOrigin, metaStream)
	events.Description = "Every event carries the whole Enrollment."
	events.Responses = map[string]*huma.Response{"200": {Description: "Events", Content: map[string]*huma.MediaType{
		"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}},
	}}}
	huma.Register(s.api, events, s.streamEnrollment)
	s.batchRoutes()
	s.offlineRoutes()
	s.leaveRoutes()
}

func (s *Server) listEnrollments(ctx context.Context, in *ClusterPath) (*Body[[]Enrollment], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	list, err := enroll.List(ctx, c.objects)
	if err != nil {
		return nil, kubeError(err)
	}
	out := make([]Enrollment, 0, len(list))
	for i := range list {
		out = append(out, enrollmentOf(&list[i]))
	}
	slices.SortFunc(out, func(a, b Enrollment) int { return b.Created.Compare(a.Created) })
	return &Body[[]Enrollment]{out}, nil
}

func (s *Server) createEnrollment(ctx context.Context, in *createEnrollmentInput) (*Body[NewEnrollment], error) {
	note(ctx, "nodeName", in.Body.NodeName)
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	made, err := s.enrolDevice(ctx, c, in.Body.request())
	if err != nil {
		return nil, kubeError(err)
	}
	return &Body[NewEnrollment]{*made}, nil
}

func (s *Server) enrolDevice(ctx context.Context, c *clusterClients, r enroll.Request) (*NewEnrollment, error) {
	e, code, err := enroll.New(ctx, c.objects, r)
	if err != nil {
		return nil, err
	}
	out := &NewEnrollment{Enrollment: enrollmentOf(e), Code: code}
	if out.Expires == nil {
		t := enroll.ExpiresAt(e)
		out.Expires = &t
	}
	s.addCommands(out, code)
	return out, nil
}

// addCommands writes the lines for the device, or why there are none: the code is
// good all the same, so the answer does not fail.
func (s *Server) addCommands(out *NewEnrollment, code string) {
	p := enroll.CommandParams{}
	if s.cfg.KeyPin != nil {
		p.Pin = s.cfg.KeyPin()
	}
	if s.cfg.ExternalURL != nil {
		p.ConsoleURL = s.cfg.ExternalURL.String()
	}
	if s.cfg.Installers != nil {
		p.EdgectlSHA256 = s.cfg.Installers.EdgectlSHA256(out.Arch)
	}
	command, err := enroll.JoinCommand(p, code)
	if err != nil {
		out.CommandProblem = err.Error()
		return
	}
	out.Command = command
	if out.InstallCommand, err = enroll.InstallCommand(p, code); err != nil {
		out.CommandProblem = err.Error()
	}
}

func (s *Server) getEnrollment(ctx context.Context, in *EnrollmentPath) (*Body[Enrollment], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	e, err := findEnrollment(ctx, c, in.Enrollment)
	if err != nil {
		return nil, kubeError(err)
	}
	return &Body[Enrollment]{enrollmentOf(e)}, nil
}

func (s *Server) patchEnrollment(ctx context.Context, in *enrollmentStateInput) (*Body[Enrollment], error) {
	note(ctx, "state", in.Body.State)
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	e, err := findEnrollment(ctx, c, in.Enrollment)
	if err != nil {
		return nil, kubeError(err)
	}
	if in.Body.State == string(v1alpha1.StateRetired) && registered(e) {
		return nil, fail(http.StatusConflict, "NodeRegistered", e.Spec.NodeName+" is a node of the cluster", "let the node leave")
	}
	base := e.DeepCopy()
	e.Spec.State = v1alpha1.EnrollmentState(in.Body.State)
	if err := c.objects.Patch(ctx, e, client.MergeFrom(base)); err != nil {
		return nil, kubeError(err)
	}
	return &Body[Enrollment]{enrollmentOf(e)}, nil
}

// registered: such a node has pods, which are asked to go before it does.
func registered(e *v1alpha1.EdgeEnrollment) bool {
	switch e.Status.Phase {
	case v1alpha1.PhaseRegistered, v1alpha1.PhaseReady, v1alpha1.PhaseTunnelUp, v1alpha1.PhaseVerified:
		return true
	}
	return false
}

func (s *Server) streamEnrollment(ctx context.Context, in *EnrollmentPath) (*huma.StreamResponse, error) {
	c, err := s.clientsFor(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	list := &v1alpha1.EdgeEnrollmentList{}
	watch, err := c.objects.Watch(ctx, list, client.InNamespace(v1alpha1.JoinNamespace), client.MatchingFields{"metadata.name": in.Enrollment})
	if err != nil {
		return nil, kubeError(err)
	}
	sess := callOf(ctx).sess
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer watch.Stop()
		r, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		for {
			select {
			case <-r.Context().Done():
				return
			case <-sess.ctx.Done():
				return
			case ev, ok := <-watch.ResultChan():
				e, isOne := ev.Object.(*v1alpha1.EdgeEnrollment)
				if !ok || !isOne {
					return // the browser connects again by itself
				}
				raw, err := json.Marshal(enrollmentOf(e))
				if err != nil {
					return
				}
				if _, err := fmt.Fprintf(w, "data: %s\n\n", raw); err != nil {
					return
				}
				if err := http.NewResponseController(w).Flush(); err != nil {
					return
				}
			}
		}
	}}, nil
}

func findEnrollment(ctx context.Context, c *clusterClients, name string) (*v1alpha1.EdgeEnrollment, error) {
	e := &v1alpha1.EdgeEnrollment{}
	err := c.objects.Get(ctx, client.ObjectKey{Namespace: v1alpha1.JoinNamespace, Name: name}, e)
	return e, err
}

func (j JoinRequest) request() enroll.Request {
	labels := j.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return enroll.Request{
		NodeName: j.NodeName, Arch: j.Arch, NodeIP: j.NodeIP,
		CloudCore: v1alpha1.CloudCoreAddress{
			Host: j.CloudCore.Host, WebSocketPort: j.CloudCore.WebSocketPort, QUICPort: j.CloudCore.QUICPort,
			CertPort: j.CloudCore.CertPort, TunnelPort: j.CloudCore.TunnelPort,
		},
		Labels: labels, Taints: taintsOf(j.Taints),
		Components:      &v1alpha1.EdgeComponents{EdgeStream: j.EdgeStream, EdgeMesh: j.EdgeMesh, EventBus: j.EventBus},
		RuntimeEndpoint: j.RuntimeEndpoint, CgroupDriver: j.CgroupDriver,
		Lifetime: metav1.Duration{Duration: time.Duration(j.LifetimeMinutes) * time.Minute},
	}
}

func enrollmentOf(e *v1alpha1.EdgeEnrollment) Enrollment {
	out := Enrollment{
		Name: e.Name, NodeName: e.Spec.NodeName, NodeIP: e.Spec.NodeIP, Arch: e.Spec.Arch,
		State: string(e.Spec.State), Phase: string(e.Status.Phase), EdgeStream: e.Spec.Components.EdgeStream,
		Conditions: []observe.Condition{}, Created: e.CreationTimestamp.Time,
	}
	if out.Phase == "" {
		out.Phase = string(v1alpha1.PhasePending)
	}
	if e.Status.ExpiresAt != nil {
		t := e.Status.ExpiresAt.Time
		out.Expires = &t
	}
	for _, c := range e.Status.FailedChecks {
		out.FailedChecks = append(out.FailedChecks, FailedCheck(c))
	}
	for _, c := range e.Status.Conditions {
		out.Conditions = append(out.Conditions, observe.Condition{
			Type: c.Type, Status: string(c.Status), Reason: c.Reason, Message: c.Message, Since: c.LastTransitionTime.Time,
		})
	}
	return out
}
