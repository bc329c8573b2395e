// Package figures reads what kubelets measure: an edge node's through stream-gate, a
// cloud node's from its kubelet. The API server's node proxy would do for both, but
// the right to it is as good as a shell on every node.
//
// The package decides where a request goes and with which credential. What the
// figures mean is the concern of package samples. The invariant: the token that
// leaves this program is that of an account with no other right than to figures, and
// an edge node's figures are asked of a verified gate only.
package figures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
)

// maxAnswer is more than 110 pods of a node ever take.
const maxAnswer = 32 << 20

var (
	// ErrUnreachable says that nothing answered for the node.
	ErrUnreachable = errors.New("the node cannot be asked")
	// ErrTooLong says that an answer was not read to its end.
	ErrTooLong = errors.New("the answer is too long")
)

// Config is what a Reader needs.
type Config struct {
	// Node finds a node by its name; nil when there is none.
	Node func(name string) *routes.Node
	// Targets lists the CloudCores and where their gates listen.
	Targets func(context.Context) ([]v1alpha1.EdgeRouteTarget, error)
	// GateCA reads the CA, in PEM, that signed the gates' certificates.
	GateCA func(context.Context) ([]byte, error)
	// KubeletCA, in PEM, signed the certificates of the cloud nodes' kubelets. Empty: the
	// cluster does not say who signs them, and they are not verified.
	KubeletCA []byte
	// Token gives the bearer token, a new one when the last was refused.
	Token func(ctx context.Context, refused string) (string, error)
}

// Reader reads figures of nodes.
type Reader struct {
	Config
	gate     *gateClient
	kubelets *http.Client
}

// New makes a Reader.
func New(c Config) (*Reader, error) {
	kubelets, err := kubeletClient(c.KubeletCA)
	if err != nil {
		return nil, err
	}
	return &Reader{Config: c, gate: &gateClient{ca: c.GateCA}, kubelets: kubelets}, nil
}

// Get returns what a node answers to a path such as stats/summary.
func (r *Reader) Get(ctx context.Context, name, path string) ([]byte, error) {
	data, err := r.get(ctx, name, path)
	if err != nil {
		return nil, fmt.Errorf("%s of node %s: %w", path, name, err)
	}
	return data, nil
}

func (r *Reader) get(ctx context.Context, name, path string) ([]byte, error) {
	node := r.Node(name)
	if node == nil {
		return nil, apierrors.NewNotFound(corev1.Resource("nodes"), name)
	}
	if !node.Edge {
		return r.fromKubelet(ctx, node, path)
	}
	return r.fromGate(ctx, node, path)
}

func (r *Reader) fromKubelet(ctx context.Context, node *routes.Node, path string) ([]byte, error) {
	if len(node.Addresses) == 0 || node.KubeletPort == 0 {
		return nil, fmt.Errorf("%w: the Node says no address and port of its kubelet yet", ErrUnreachable)
	}
	return r.ask(ctx, r.kubelets.Do, hostPort(node.Addresses[0], node.KubeletPort), "", path)
}

func (r *Reader) fromGate(ctx context.Context, node *routes.Node, path string) ([]byte, error) {
	targets, err := r.Targets(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: where CloudCore runs is not known: %w", ErrUnreachable, err)
	}
	ends := endpoints(targets, node.KubeletPort)
	if len(ends) == 0 {
		return nil, fmt.Errorf("%w: no CloudCore holds its tunnel (kubelet port %d)", ErrUnreachable, node.KubeletPort)
	}
	// One CloudCore has an address per IP family; this pod need not have both.
	for _, end := range ends {
		var data []byte
		data, err = r.ask(ctx, r.gate.do, hostPort(end.Address, end.Port), node.Name, path)
		var dial *net.OpError
		if !errors.As(err, &dial) || dial.Op != "dial" {
			return data, err
		}
	}
	return nil, err
}

// endpoints of the gate beside the CloudCore that holds a node's tunnel. The port of
// a Node says which one that is; while there is one CloudCore alone, it is that.
func endpoints(targets []v1alpha1.EdgeRouteTarget, port int32) []v1alpha1.EdgeRouteEndpoint {
	var cores []v1alpha1.EdgeRouteTarget
	for _, t := range targets {
		if t.ID == routes.TargetID(port) {
			return t.Endpoints
		}
		if t.ID == v1alpha1.TargetConfigured {
			return t.Endpoints
		}
		cores = append(cores, t)
	}
	if len(cores) == 1 {
		return cores[0].Endpoints
	}
	return nil
}

func hostPort(host string, port int32) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// ask sends one request, and another with a new token when the first was refused: a
// ServiceAccount that was made anew has tokens of its own.
func (r *Reader) ask(ctx context.Context, do sender, end, node, path string) ([]byte, error) {
	refused := ""
	for {
		token, err := r.Token(ctx, refused)
		if err != nil {
			return nil, fmt.Errorf("no token to ask it with: %w", err)
		}
		response, err := send(ctx, do, end, node, path, token)
		if err != nil {
			return nil, err
		}
		if response.StatusCode == http.StatusUnauthorized && refused == "" {
			refused = token
			_ = response.Body.Close() // of no interest
			continue
		}
		return answer(response, path)
	}
}

func send(ctx context.Context, do sender, end, node, path, token string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+end+"/"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if node != "" {
		// The gate finds the node by its name, as behind the API server's node proxy.
		request.Header.Set("X-Forwarded-Uri", "/api/v1/nodes/"+node+"/proxy/"+path)
	}
	return do(request)
}

// answer reads a response; one that is no success is an error of the kind that the
// API server makes of it.
func answer(response *http.Response, path string) ([]byte, error) {
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxAnswer {
		return nil, fmt.Errorf("%w: %s takes more than %d bytes", ErrTooLong, path, maxAnswer)
	}
	if response.StatusCode == http.StatusOK {
		return data, nil
	}
	const most = 200
	text := string(data[:min(len(data), most)])
	return nil, apierrors.NewGenericServerResponse(response.StatusCode, "get", schema.GroupResource{Resource: "nodes"}, path, text, 0, true)
}
