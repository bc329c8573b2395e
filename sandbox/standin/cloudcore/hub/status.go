package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/tunnelport"
)

const (
	nodesPath = "/api/v1/nodes"
	// maxBody is the API server's own limit of a request, in bytes.
	maxBody = 3 << 20
)

// edgeLabels mark a Node as KubeEdge's.
func edgeLabels() []string {
	return []string{"node-role.kubernetes.io/edge", "node-role.kubernetes.io/agent"}
}

var errBody = errors.New("cannot use the request's body")

func isRegistration(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == nodesPath
}

// register creates the Node and answers as the API server would.
func (h *Hub) register(w http.ResponseWriter, r *http.Request, node string) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("%w: %w", errBody, err))
		return
	}
	made, err := h.Register(r.Context(), node, body)
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &status):
		s := status.Status()
		s.APIVersion, s.Kind = "v1", "Status"
		answer(w, int(s.Code), s)
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, err)
	default:
		made.APIVersion, made.Kind = "v1", "Node"
		answer(w, http.StatusCreated, made)
	}
}

// adaptBody changes what a kubelet writes about its Node: the labels that make it
// an edge node, and the kubelet port. A kubelet puts its own port into every
// status; but on an edge node the port tells which CloudCore holds the tunnel, and
// only CloudCore sets it.
func (h *Hub) adaptBody(r *http.Request, node string) error {
	switch {
	case isRegistration(r):
		return change(r, func(body map[string]any) error { return adaptRegistration(body, node) })
	case r.URL.Path != nodesPath+"/"+node+"/status":
		return nil
	case r.Method == http.MethodPatch:
		return change(r, func(body map[string]any) error { dropPort(body); return nil })
	case r.Method == http.MethodPut:
		port, err := h.ports.KubeletPort(r.Context(), node)
		if err != nil {
			return err
		}
		return change(r, func(body map[string]any) error { return setPort(body, port) })
	default:
		return nil
	}
}

func adaptRegistration(body map[string]any, node string) error {
	meta, err := object(body, "metadata")
	if err != nil {
		return err
	}
	if meta["name"] != node {
		return fmt.Errorf("%w: metadata.name is %v, but the certificate is of node %q", errBody, meta["name"], node)
	}
	labels, err := object(meta, "labels")
	if err != nil {
		return err
	}
	for _, label := range edgeLabels() {
		labels[label] = ""
	}
	return setPort(body, tunnelport.Unset)
}

// dropPort takes the port out of a patch, so that the one in place stays.
func dropPort(body map[string]any) {
	if status, ok := body["status"].(map[string]any); ok {
		delete(status, "daemonEndpoints")
	}
}

func setPort(body map[string]any, port int) error {
	status, err := object(body, "status")
	if err != nil {
		return err
	}
	status["daemonEndpoints"] = map[string]any{"kubeletEndpoint": map[string]any{"Port": port}}
	return nil
}

// object gives the object at a key and makes it when there is none.
func object(in map[string]any, key string) (map[string]any, error) {
	switch v := in[key].(type) {
	case nil:
		fresh := map[string]any{}
		in[key] = fresh
		return fresh, nil
	case map[string]any:
		return v, nil
	default:
		return nil, fmt.Errorf("%w: %s is %T, want an object", errBody, key, v)
	}
}

// change replaces a JSON body. Other encodings are refused rather than passed on
// unseen; the stand-in for EdgeCore makes its kubelet speak JSON.
func change(r *http.Request, edit func(map[string]any) error) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || (kind != "application/json" && !strings.HasSuffix(kind, "merge-patch+json")) {
		return fmt.Errorf("%w: Content-Type is %q, want JSON or a merge patch; set the kubelet's contentType to application/json",
			errBody, r.Header.Get("Content-Type"))
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return fmt.Errorf("%w: %w", errBody, err)
	}
	if len(data) > maxBody {
		return fmt.Errorf("%w: it has more than %d bytes", errBody, maxBody)
	}
	var body map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // quantities and versions must not pass through a float
	if err := decoder.Decode(&body); err != nil {
		return fmt.Errorf("%w: %w", errBody, err)
	}
	if err := edit(body); err != nil {
		return err
	}
	if data, err = json.Marshal(body); err != nil {
		return fmt.Errorf("%w: %w", errBody, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	r.ContentLength = int64(len(data))
	r.Header.Set("Content-Length", fmt.Sprint(len(data)))
	return nil
}

// refuse answers the way kube-apiserver does, which client-go can read.
func refuse(w http.ResponseWriter, code int, err error) {
	reasons := map[int]string{
		http.StatusBadRequest: "BadRequest", http.StatusForbidden: "Forbidden",
		http.StatusServiceUnavailable: "ServiceUnavailable",
	}
	answer(w, code, map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure",
		"code": code, "reason": reasons[code], "message": err.Error(),
	})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Debug("the edge node went away", "err", err)
	}
}
