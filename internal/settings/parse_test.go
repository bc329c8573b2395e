package settings

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNullIsLeftOut for every field, and for every object with fields: an empty line in
// a settings file must not switch anything off.
func TestNullIsLeftOut(t *testing.T) {
	fields := paths("", reflect.TypeFor[Settings]())
	if len(fields) < 60 {
		t.Fatalf("only %d fields: %v", len(fields), fields)
	}
	for _, service := range []ServiceType{NodePort, LoadBalancer} {
		base := Default(service)
		base.HA, base.CloudHub.NodeLimit, base.Images.PullPolicy = true, 7, "Always"
		base.Pods.CloudCore.NodeSelector = map[string]string{"pool": "a"}
		for _, field := range fields {
			for _, null := range []string{"", "null", "~"} {
				got, err := Overlay(base, []byte(nest(field, null)))
				if err != nil {
					t.Errorf("%s: %v", nest(field, null), err)
				}
				if diff := cmp.Diff(base, got); diff != "" {
					t.Errorf("%s: %s", nest(field, null), diff)
				}
			}
		}
	}
}

// paths are those of all fields, objects of ours included.
func paths(prefix string, of reflect.Type) []string {
	var out []string
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		out = append(out, prefix+name)
		if kind := of.Field(i).Type; kind.Kind() == reflect.Struct {
			out = append(out, paths(prefix+name+".", kind)...)
		}
	}
	return out
}

func TestNothingIsTheDefaults(t *testing.T) {
	for _, document := range []string{"", "\n", "# nothing\n", "---\n", "null", "{}", "---\n...\n---\n"} {
		got, err := Parse([]byte(document))
		if err != nil {
			t.Errorf("%q: %v", document, err)
		}
		if diff := cmp.Diff(Default(NodePort), got); diff != "" {
			t.Errorf("%q: %s", document, diff)
		}
	}
}

// TestEveryFaultOfADocumentIsTold with its line.
func TestEveryFaultOfADocumentIsTold(t *testing.T) {
	_, err := Parse([]byte(`ha: maybe
cloudHub:
  nodeLimit: 0100
  nodeLimit: 200
  https: {port: 0x7918}
images: {registry: 1.10}
pods: {cloudcore: {nodeSelector: {yes: "1", zone: 010, ok: "1"}}}
CloudStream: {}
`))
	var bad *InvalidError
	if !errors.As(err, &bad) {
		t.Fatal(err)
	}
	var got []string
	for _, p := range bad.Problems {
		line, _, _ := strings.Cut(p.Message, ":")
		got = append(got, line+" "+p.Field+" "+p.Code)
		if p.Remedy == "" {
			t.Errorf("%v has no remedy", p)
		}
	}
	want := []string{
		"line 1 ha WrongType", "line 3 cloudHub.nodeLimit NotDecimal", "line 4 cloudHub.nodeLimit DuplicateKey", "line 5 cloudHub.https.port NotDecimal",
		"line 6 images.registry NotQuoted", "line 7 pods.cloudcore.nodeSelector NotQuoted", "line 7 pods.cloudcore.nodeSelector.zone NotQuoted", "line 8 CloudStream UnknownField",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestSetTakesTextAsItStands: nobody quotes twice on a command line.
func TestSetTakesTextAsItStands(t *testing.T) {
	base := Default(NodePort)
	base.EdgeWatcher.DestinationAddress = "192.0.2.1"
	for assignment, change := range map[string]func(*Settings){
		"images.registry=1.10":                                          func(s *Settings) { s.Images.Registry = "1.10" },
		"pods.cloudcore.resources.limits.cpu=1":                         func(s *Settings) { s.Pods.CloudCore.Resources.Limits = map[string]string{"cpu": "1"} },
		"pods.cloudcore.nodeSelector.gpu=yes":                           func(s *Settings) { s.Pods.CloudCore.NodeSelector = map[string]string{"gpu": "yes"} },
		`pods.cloudcore.nodeSelector.kubernetes\.io/arch=arm64`:         func(s *Settings) { s.Pods.CloudCore.NodeSelector = map[string]string{"kubernetes.io/arch": "arm64"} },
		"edgeWatcher.destinationAddress=":                               func(s *Settings) { s.EdgeWatcher.DestinationAddress = "" },
		"streamGuard=null":                                              func(*Settings) {},
		"images.pullSecrets=[010, a]":                                   func(s *Settings) { s.Images.PullSecrets = []string{"010", "a"} },
		"cloudHub.advertiseAddress=[edge.example.com, \"2001:db8::1\"]": func(s *Settings) { s.CloudHub.AdvertiseAddress = []string{"edge.example.com", "2001:db8::1"} },
	} {
		want := base.Complete()
		change(&want)
		got, err := Set(base, assignment)
		if err != nil {
			t.Errorf("%s: %v", assignment, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", assignment, diff)
		}
	}
	for _, assignment := range []string{"cloudHub.nodeLimit=010", "cloudHub.nodeLimit=", "ha=", "cloudHub.advertiseAddress=", "streamGuard=", "cloudHub.nodeLimit=1\n---\n2"} {
		if _, err := Set(base, assignment); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q is accepted: %v", assignment, err)
		}
	}
}

func TestGlobalHelmValuesAreIgnored(t *testing.T) {
	got, err := FromHelmValues(map[string]any{"global": map[string]any{"imageRegistry": "x"}, "ha": true, "streamGuard": nil})
	if err != nil {
		t.Fatal(err)
	}
	want := Default(NodePort)
	want.HA = true
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
