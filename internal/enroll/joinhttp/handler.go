// Package joinhttp answers the devices' side of joining: package wire's
// endpoints on a plain http.Handler. It asks for no sign-in; what protects it is
// the join code, the limit on tries, and a ServiceAccount that can do nothing
// outside the join namespace.
package joinhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/bearer"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/limit"
	"github.com/edgeway-io/edgeway/internal/strictjson"
)

// Redeemer is what enroll.Redeemer does.
type Redeemer interface {
	Lookup(ctx context.Context, code string) (*v1alpha1.EdgeEnrollmentSpec, error)
	Redeem(ctx context.Context, code string, csrPEM []byte) (*enroll.Bundle, error)
	Report(ctx context.Context, report wire.ReportRequest) error
	Status(ctx context.Context, statusToken string) (*v1alpha1.EdgeEnrollment, error)
}

// Handler serves wire.PathLookup, PathRedeem, PathReport, PathStatus, PathInstall,
// PathEdgectl and PathEdgecore.
type Handler struct {
	redeemer  Redeemer
	artifacts *Artifacts
	limits    *limits
	proxies   limit.Proxies
	now       func() time.Time
	log       *slog.Logger
	mux       *http.ServeMux
}

// Options of a Handler. The zero value is usable.
type Options struct {
	// Proxies whose word for a client's address is taken.
	Proxies limit.Proxies
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// New makes the handler. artifacts may be nil: then there is nothing to download.
func New(r Redeemer, artifacts *Artifacts, log *slog.Logger, o Options) *Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Handler{redeemer: r, artifacts: artifacts, limits: newLimits(o.Now), proxies: o.Proxies, now: o.Now, log: log, mux: http.NewServeMux()}
	h.mux.HandleFunc("POST "+wire.PathLookup, h.limited(&h.limits.codes, h.lookup))
	h.mux.HandleFunc("POST "+wire.PathRedeem, h.limited(&h.limits.codes, h.redeem))
	h.mux.HandleFunc("POST "+wire.PathReport, h.limited(&h.limits.codes, h.report))
	h.mux.HandleFunc("GET "+wire.PathStatus, h.limited(&h.limits.tokens, h.status))
	h.mux.HandleFunc("GET "+wire.PathInstall, h.install)
	h.mux.HandleFunc("GET "+wire.PathEdgectl+"{arch}", h.download("edgectl"))
	h.mux.HandleFunc("GET "+wire.PathEdgecore+"{arch}", h.download("edgecore"))
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

func (h *Handler) lookup(w http.ResponseWriter, r *http.Request) {
	var in wire.CodeRequest
	if !h.read(w, r, wire.MaxRequest, &in) || !h.once(w, r, &h.limits.codes, in.Code) {
		return
	}
	spec, err := h.redeemer.Lookup(r.Context(), in.Code)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, enroll.Lookup(spec))
}

func (h *Handler) redeem(w http.ResponseWriter, r *http.Request) {
	var in wire.RedeemRequest
	if !h.read(w, r, wire.MaxRequest, &in) || !h.once(w, r, &h.limits.codes, in.Code) {
		return
	}
	b, err := h.redeemer.Redeem(r.Context(), in.Code, []byte(in.CSR))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.log.InfoContext(r.Context(), "join code redeemed", "node", b.NodeName, "from", h.proxies.Client(r))
	answer(w, http.StatusOK, wire.RedeemResponse{NodeName: b.NodeName, Certificate: string(b.Certificate), CA: string(b.CA),
		EdgeCoreConfig: string(b.EdgeCoreConfig), EdgeCore: h.edgeCore(b.Arch), StatusToken: b.StatusToken,
		CloudCore: enroll.CloudCore(b.CloudCore)})
}

func (h *Handler) edgeCore(arch string) *wire.Download {
	a, ok := h.artifacts.find("edgecore", arch)
	if !ok {
		return nil
	}
	return &wire.Download{URL: wire.PathEdgecore + arch, SHA256: a.SHA256}
}

func (h *Handler) report(w http.ResponseWriter, r *http.Request) {
	var in wire.ReportRequest
	if !h.read(w, r, wire.MaxReport, &in) || !h.once(w, r, &h.limits.codes, in.Code) {
		return
	}
	if err := h.redeemer.Report(r.Context(), in); err != nil {
		h.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h *Handler) status(w http.ResponseWriter, r *http.Request) {
	token := bearer.Clean(r.Header.Get("Authorization"))
	if token == "" {
		h.fail(w, r, &wire.Error{Code: wire.TokenMissing, Message: "no status token",
			Remedy: "send Authorization: Bearer with the statusToken of the redemption"})
		return
	}
	source := h.proxies.Source(r)
	if h.limits.unknownTokens.Exhausted(source) {
		h.tooMany(w, r)
		return
	}
	if !h.once(w, r, &h.limits.tokens, token) {
		return
	}
	e, err := h.redeemer.Status(r.Context(), token)
	if err != nil {
		if errors.Is(err, enroll.ErrStatusToken) {
			h.limits.unknownTokens.Allow(source)
		}
		h.fail(w, r, err)
		return
	}
	out := wire.Status{NodeName: e.Spec.NodeName, Phase: string(e.Status.Phase), Conditions: []wire.Condition{}}
	for _, c := range e.Status.Conditions {
		out.Conditions = append(out.Conditions, wire.Condition{Type: c.Type, Status: string(c.Status), Reason: c.Reason, Message: c.Message})
	}
	answer(w, http.StatusOK, out)
}

func (h *Handler) install(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/x-shellscript; charset=utf-8")
	_, _ = w.Write(enroll.InstallScript()) // a reader that left needs no answer
}

// read decodes the body strictly and answers the request itself when it cannot.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, most int64, into any) bool {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err == nil {
		var all any // what a decoder of one value passes over: equal keys, and what follows
		err = strictjson.Unmarshal(raw, &all)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err == nil {
		err = dec.Decode(into)
	}
	if err != nil {
		h.fail(w, r, &wire.Error{Code: wire.BadRequest, Message: "the request's body cannot be read: " + err.Error(),
			Remedy: "join with the edgectl that this console serves"})
		return false
	}
	return true
}

var statusOf = map[string]int{
	wire.CodeUnknown: http.StatusForbidden, wire.CodeExpired: http.StatusForbidden,
	wire.CodeUsed: http.StatusForbidden, wire.CodeRevoked: http.StatusForbidden,
	wire.CSRInvalid: http.StatusUnprocessableEntity, wire.NameTaken: http.StatusConflict,
	wire.IPTaken: http.StatusConflict, wire.Refused: http.StatusConflict,
	wire.SigningTimeout: http.StatusServiceUnavailable, wire.RateLimited: http.StatusTooManyRequests,
	wire.BadRequest: http.StatusBadRequest, wire.NotFound: http.StatusNotFound,
	wire.StatusUnknown: http.StatusUnauthorized, wire.TokenMissing: http.StatusUnauthorized,
}

// fail tells the device what it may know; a fault of the cluster stays in the log.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var e *wire.Error
	if !errors.As(err, &e) {
		h.log.ErrorContext(r.Context(), "join request failed", "path", r.URL.Path, "err", err)
		e = &wire.Error{Code: wire.Internal, Message: "the console could not ask the cluster",
			Remedy: "try again; the console's log says more"}
	} else {
		h.log.WarnContext(r.Context(), "join request refused", "path", r.URL.Path, "code", e.Code, "from", h.proxies.Client(r), "err", err)
	}
	status, ok := statusOf[e.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	answer(w, status, e)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a reader that left needs no answer
}
