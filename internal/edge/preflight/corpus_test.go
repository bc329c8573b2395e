package preflight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"google.golang.org/grpc"
	runtimev1 "k8s.io/cri-api/pkg/apis/runtime/v1"
	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
)

const corpus = "../../../test/corpus/device"

// recordedFacts are what a snapshot says beside its files.
type recordedFacts struct {
	Base         string         `json:"base"`
	Now          time.Time      `json:"now"`
	Disk         map[string]any `json:"disk"`
	Environ      []string       `json:"environ"`
	Addresses    []netip.Addr   `json:"addresses"`
	Resolve      string         `json:"resolve"`
	NodeIP       string         `json:"nodeIP"`
	CgroupDriver string         `json:"cgroupDriver"`
	Programs     string         `json:"programs"`
	Runtime      string         `json:"runtime"`
	MetaServer   bool           `json:"metaServer"`
	EventBus     bool           `json:"eventBus"`
	NoCRI        bool           `json:"noCRI"`
}

// recordedCRI is a runtime that answers what another one answered.
type recordedCRI struct {
	Version struct {
		Name, Version, API string
	} `json:"version"`
	RuntimeConfig string `json:"runtimeConfig"`
	Conditions    map[string]struct {
		Status          bool
		Reason, Message string
	} `json:"conditions"`
	Config string   `json:"config"`
	CRIO   string   `json:"crio"`
	Pods   []string `json:"pods"`
}

// snapshot is a device in the corpus with its bases laid under it.
type snapshot struct {
	facts recordedFacts
	cri   recordedCRI
	want  []wanted
	root  string
}

// wanted is one line of want.txt: ID STATUS[: pattern][ → pattern], the patterns for
// detail and remedy.
type wanted struct {
	id, status     string
	detail, remedy *regexp.Regexp
}

func parseWanted(t *testing.T, line string) wanted {
	t.Helper()
	head, patterns, _ := strings.Cut(line, ":")
	detail, remedy, _ := strings.Cut(patterns, "→")
	id, status, ok := strings.Cut(strings.TrimSpace(head), " ")
	if !ok {
		t.Fatalf("%q is not: ID STATUS[: detail][ → remedy]", line)
	}
	return wanted{id, status, regexp.MustCompile(strings.TrimSpace(detail)), regexp.MustCompile(strings.TrimSpace(remedy))}
}

func load(t *testing.T, name string) snapshot {
	t.Helper()
	s := snapshot{root: t.TempDir(), facts: recordedFacts{Now: time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC)}}
	s.lay(t, name)
	return s
}

// lay puts a snapshot's files over those of its base.
func (s *snapshot) lay(t *testing.T, name string) {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join(corpus, name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string][]byte{}
	for _, f := range a.Files {
		parts[f.Name] = f.Data
	}
	s.facts.Base = ""
	decode(t, parts["facts.yaml"], &s.facts)
	if base := s.facts.Base; base != "" {
		s.lay(t, base)
		decode(t, parts["facts.yaml"], &s.facts)
	}
	if raw, ok := parts["cri.yaml"]; ok {
		s.cri = recordedCRI{}
		decode(t, raw, &s.cri)
	}
	for line := range strings.Lines(string(parts["remove.txt"])) {
		if err := os.RemoveAll(filepath.Join(s.root, strings.TrimSpace(line))); err != nil {
			t.Fatal(err)
		}
	}
	s.want = nil
	for line := range strings.Lines(string(parts["want.txt"])) {
		if strings.TrimSpace(line) != "" {
			s.want = append(s.want, parseWanted(t, line))
		}
	}
	for _, f := range a.Files {
		if name, ok := strings.CutPrefix(f.Name, "device/"); ok {
			s.file(t, name, string(f.Data))
		}
	}
}

func (s *snapshot) file(t *testing.T, name, text string) {
	t.Helper()
	if filepath.Base(name) == "environ" {
		text = strings.ReplaceAll(text, "\n", "\x00")
	}
	path := filepath.Join(s.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func decode(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(raw, into); err != nil {
		t.Fatal(err)
	}
}

// device makes the probes' view of the snapshot.
func (s *snapshot) device(t *testing.T) Facts {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "cri.sock")
	if !s.facts.NoCRI {
		s.cri.serve(t, socket)
	}
	addresses := s.facts.Addresses
	return Facts{
		Layout: paths.Layout{Root: s.root, Programs: s.facts.Programs}, RuntimeEndpoint: "unix://" + socket,
		NodeIP: s.facts.NodeIP, CgroupDriver: s.facts.CgroupDriver, MetaServer: s.facts.MetaServer, EventBus: s.facts.EventBus,
		System: System{
			Root: s.root, EUID: func() int { return 0 }, Now: func() time.Time { return s.facts.Now },
			Disk: func(string) (Disk, error) { return s.disk(t) }, Environ: append([]string{"PATH=/bin"}, s.facts.Environ...),
			Addresses: func() ([]netip.Addr, error) { return addresses, nil },
			Resolve: func(ctx context.Context, host string) ([]string, error) {
				switch s.facts.Resolve {
				case "timeout":
					return nil, &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true}
				case "notfound":
					return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
				}
				return []string{"192.0.2.1"}, nil
			},
		},
	}
}

func (s *snapshot) disk(t *testing.T) (Disk, error) {
	d := Disk{Size: 64e9, Free: 40e9, Inodes: 1e6, FreeInodes: 9e5}
	if s.facts.Disk == nil {
		return d, nil
	}
	if why, ok := s.facts.Disk["error"].(string); ok {
		return Disk{}, errors.New(why)
	}
	raw, err := yaml.Marshal(s.facts.Disk)
	if err != nil {
		t.Fatal(err)
	}
	decode(t, raw, &d)
	return d, nil
}

// answering is a real CRI server whose answers are recorded.
type answering struct {
	runtimev1.UnimplementedRuntimeServiceServer
	recordedCRI
}

// serve listens as CRI-O does: gRPC and plain HTTP on one socket.
func (c recordedCRI) serve(t *testing.T, socket string) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	rpc := grpc.NewServer()
	runtimev1.RegisterRuntimeServiceServer(rpc, &answering{recordedCRI: c})
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 {
			rpc.ServeHTTP(w, r)
			return
		}
		fmt.Fprintln(w, c.CRIO)
	})}
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
}

func (a *answering) Version(context.Context, *runtimev1.VersionRequest) (*runtimev1.VersionResponse, error) {
	v := a.recordedCRI.Version
	return &runtimev1.VersionResponse{RuntimeName: v.Name, RuntimeVersion: v.Version, RuntimeApiVersion: v.API}, nil
}

func (a *answering) RuntimeConfig(ctx context.Context, r *runtimev1.RuntimeConfigRequest) (*runtimev1.RuntimeConfigResponse, error) {
	if a.recordedCRI.RuntimeConfig == "" {
		return a.UnimplementedRuntimeServiceServer.RuntimeConfig(ctx, r)
	}
	driver := runtimev1.CgroupDriver(runtimev1.CgroupDriver_value[a.recordedCRI.RuntimeConfig])
	return &runtimev1.RuntimeConfigResponse{Linux: &runtimev1.LinuxRuntimeConfiguration{CgroupDriver: driver}}, nil
}

func (a *answering) Status(ctx context.Context, r *runtimev1.StatusRequest) (*runtimev1.StatusResponse, error) {
	if a.Conditions == nil {
		return a.UnimplementedRuntimeServiceServer.Status(ctx, r)
	}
	out := &runtimev1.StatusResponse{Status: &runtimev1.RuntimeStatus{}, Info: map[string]string{}}
	for kind, c := range a.Conditions {
		out.Status.Conditions = append(out.Status.Conditions, &runtimev1.RuntimeCondition{Type: kind, Status: c.Status, Reason: c.Reason, Message: c.Message})
	}
	if r.GetVerbose() && a.Config != "" {
		out.Info["config"] = a.Config
	}
	return out, nil
}

func (a *answering) ListPodSandbox(context.Context, *runtimev1.ListPodSandboxRequest) (*runtimev1.ListPodSandboxResponse, error) {
	out := &runtimev1.ListPodSandboxResponse{}
	for i, pod := range a.Pods {
		namespace, name, _ := strings.Cut(pod, "/")
		out.Items = append(out.Items, &runtimev1.PodSandbox{Id: fmt.Sprint("id", i), Labels: map[string]string{"io.kubernetes.pod.uid": "1"},
			Metadata: &runtimev1.PodSandboxMetadata{Namespace: namespace, Name: name}})
	}
	return out, nil
}

// TestCorpus runs every probe on every recorded device. What a probe finds beside
// "pass" has to be in the snapshot's want.txt, no more and no less.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpus, "*.txtar"))
	if err != nil || len(files) < 50 {
		t.Fatalf("%d snapshots, %v: the corpus is in %s", len(files), err, corpus)
	}
	kinds := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if strings.HasPrefix(name, "device-") {
			kinds++
		}
		t.Run(name, func(t *testing.T) {
			s := load(t, name)
			got := findings(Run(t.Context(), Device(s.device(t))))
			for _, w := range s.want {
				i := slices.IndexFunc(got, func(r Report) bool { return r.ID == w.id })
				if i < 0 {
					t.Errorf("%s is not %s", w.id, w.status)
					continue
				}
				if r := got[i]; string(r.Status) != w.status || !w.detail.MatchString(r.Detail) || !w.remedy.MatchString(r.Remedy) || r.Remedy == "" {
					t.Errorf("%s is %s: %s → %s", r.ID, r.Status, r.Detail, r.Remedy)
				}
				got = slices.Delete(got, i, i+1)
			}
			for _, r := range got {
				t.Errorf("unexpected: %s %s: %s → %s", r.ID, r.Status, r.Detail, r.Remedy)
			}
		})
	}
	if kinds < 10 {
		t.Errorf("only %d kinds of device", kinds)
	}
}

// findings are the probes that neither passed nor were skipped.
func findings(r Report) []Report {
	var out []Report
	for _, status := range []Status{Fail, Warn, Unknown} {
		out = append(out, r.with(status)...)
	}
	return slices.DeleteFunc(out, func(r Report) bool { return r.ID == "preflight" })
}
