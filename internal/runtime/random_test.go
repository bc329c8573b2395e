package runtime

import (
	"math/rand/v2"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/internal/settings"
	"github.com/edgeway-io/edgeway/internal/settings/settingstest"
)

// untyped are kinds of the chart whose types client-go does not have.
var untyped = map[string]bool{"APIService": true, "ServiceMonitor": true, "PodMonitor": true}

// TestRandomSettingsRender: whatever valid settings somebody thinks of are accepted, and
// the chart makes objects of them that have no field that Kubernetes does not know.
func TestRandomSettingsRender(t *testing.T) {
	decoder := serializer.NewCodecFactory(clientgoscheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		s := settingstest.Random(random)
		if err := settings.AsError(s.Validate(settings.ClusterFacts{})); err != nil {
			t.Errorf("%d: %v\n%+v", i, err, s)
			continue
		}
		manifest, err := Render(s, "v1.36.3")
		if err != nil {
			t.Errorf("%d: %v\n%+v", i, err, s)
			continue
		}
		objects := 0
		for document := range strings.SplitSeq(manifest, "\n---\n") {
			var kind metav1.TypeMeta
			if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
				t.Fatalf("%d: %v\n%s", i, err, document)
			}
			if kind.Kind == "" || untyped[kind.Kind] {
				continue
			}
			if _, _, err := decoder.Decode([]byte(document), nil, nil); err != nil {
				t.Errorf("%d: %v\n%s", i, err, document)
			}
			objects++
		}
		if objects < 20 {
			t.Errorf("%d: only %d objects", i, objects)
		}
	}
}
