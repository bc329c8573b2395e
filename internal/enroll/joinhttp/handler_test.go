package joinhttp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// broken is a Redeemer whose cluster does not answer, but for known codes.
type broken struct{}

var errCluster = errors.New("dial tcp 10.0.0.1:6443: secret detail")

func (broken) Lookup(_ context.Context, code string) (*v1alpha1.EdgeEnrollmentSpec, error) {
	if code == "unknown" {
		return nil, enroll.ErrCodeUnknown
	}
	return nil, errCluster
}

func (broken) Redeem(context.Context, string, []byte) (*enroll.Bundle, error) {
	return nil, enroll.ErrCodeUsed
}

func (broken) Report(context.Context, wire.ReportRequest) error { return enroll.ErrCodeUsed }

func (broken) Status(context.Context, string) (*v1alpha1.EdgeEnrollment, error) {
	return nil, enroll.ErrStatusToken
}

func handler(t *testing.T) *Handler {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"edgectl-amd64": "binary", "passwd": "secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, err := LoadArtifacts(dir)
	if err != nil {
		t.Fatal(err)
	}
	return New(broken{}, a, slog.New(slog.NewTextHandler(io.Discard, nil)), Options{})
}

func TestRefusals(t *testing.T) {
	tests := map[string]struct {
		method, path, body, auth string
		status                   int
		code                     string
	}{
		"unknown code":     {"POST", wire.PathLookup, `{"code":"unknown"}`, "", 403, wire.CodeUnknown},
		"used code":        {"POST", wire.PathRedeem, `{"code":"x","csr":"y"}`, "", 403, wire.CodeUsed},
		"no JSON":          {"POST", wire.PathRedeem, `code=x`, "", 400, wire.BadRequest},
		"a code twice":     {"POST", wire.PathLookup, `{"code":"x","code":"y"}`, "", 400, wire.BadRequest},
		"a second value":   {"POST", wire.PathLookup, `{"code":"x"}{"code":"y"}`, "", 400, wire.BadRequest},
		"a field too many": {"POST", wire.PathLookup, `{"code":"x","admin":true}`, "", 400, wire.BadRequest},
		"too large":        {"POST", wire.PathRedeem, `{"csr":"` + strings.Repeat("x", wire.MaxRequest) + `"}`, "", 400, wire.BadRequest},
		"a late report":    {"POST", wire.PathReport, `{"code":"x","message":"y"}`, "", 403, wire.CodeUsed},
		"a huge report":    {"POST", wire.PathReport, `{"message":"` + strings.Repeat("x", wire.MaxReport) + `"}`, "", 400, wire.BadRequest},
		"no token":         {"GET", wire.PathStatus, "", "", 401, wire.TokenMissing},
		"another token":    {"GET", wire.PathStatus, "", "Bearer x", 401, wire.StatusUnknown},
		"a cluster down":   {"POST", wire.PathLookup, `{"code":"x"}`, "", 500, wire.Internal},
		"no such arch":     {"GET", wire.PathEdgectl + "mips", "", "", 404, wire.NotFound},
		"another file":     {"GET", wire.PathEdgectl + "..%2Fpasswd", "", "", 404, wire.NotFound},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
			if test.auth != "" {
				r.Header.Set("Authorization", test.auth)
			}
			w := httptest.NewRecorder()
			handler(t).ServeHTTP(w, r)
			var e wire.Error
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
				t.Fatalf("%v: %s", err, w.Body)
			}
			if w.Code != test.status || e.Code != test.code || e.Message == "" || e.Remedy == "" {
				t.Errorf("got %d %+v, want %d %s", w.Code, e, test.status, test.code)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("it tells %s", w.Body)
			}
		})
	}
}

func TestDownload(t *testing.T) {
	w := httptest.NewRecorder()
	handler(t).ServeHTTP(w, httptest.NewRequest("GET", wire.PathEdgectl+"amd64", nil))
	if w.Code != http.StatusOK || w.Body.String() != "binary" || w.Header().Get(wire.HeaderSHA256) != "9a3a45d01531a20e89ac6ae10b0b0beb0492acd7216a368aa062d1a5fecaf9cd" {
		t.Errorf("got %d %q %v", w.Code, w.Body, w.Header())
	}
}

// TestEveryCodeIsInTheCatalog: with the status that devices get.
func TestEveryCodeIsInTheCatalog(t *testing.T) {
	for code, status := range statusOf {
		if entry, ok := errcat.Find(code); !ok || entry.Status != status {
			t.Errorf("%s is answered with %d, internal/errcat says %+v", code, status, entry)
		}
	}
	if entry, ok := errcat.Find(wire.Internal); !ok || entry.Status != http.StatusInternalServerError {
		t.Errorf("%s has no entry", wire.Internal)
	}
}
