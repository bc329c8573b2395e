package cli

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/edgeway-io/edgeway/internal/samples"
)

// What is not there is a dash; a reported zero is a zero.
func TestContainerRow(t *testing.T) {
	zero, cpu, rate := uint64(0), uint64(200_000_001), 2048.0
	p := samples.PodSamples{Metadata: samples.Meta{Namespace: "shop", Name: "web-1"}}
	row := containerRow(p, samples.Object{Name: "app", Recent: []samples.Sample{{CPUUsageNanoCores: &cpu, SwapUsageBytes: &zero, DiskReadBytesPerSecond: &rate}}})
	if got, want := strings.Join(row, " "), "shop web-1 app 201m - 0Mi - - 2.0Ki - "; got != want {
		t.Errorf("row %q, want %q", got, want)
	}
	p.State.Cause = samples.CauseTimeout
	if row = containerRow(p, samples.Object{Name: "app"}); row[3] != "-" || row[10] != samples.CauseTimeout {
		t.Errorf("row of a container without samples: %q", row)
	}
}

// kubectl top rounds CPU up to thousandths of a core before it computes the share.
func TestFiguresAreRoundedAsKubectlTop(t *testing.T) {
	for _, test := range []struct {
		nano, of    int64
		cores, part string
	}{
		{0, 2e9, "0m", "0%"}, {1, 2e9, "1m", "0%"}, {19_000_001, 2e9, "20m", "1%"}, {19_000_000, 2e9, "19m", "0%"},
		{999_999_999, 1e9, "1000m", "100%"}, {3e9, 2e9, "3000m", "150%"}, {5e8, 0, "500m", "-"},
	} {
		if got := millicores(&test.nano); got != test.cores {
			t.Errorf("%d nanocores are %s, want %s", test.nano, got, test.cores)
		}
		if got := cpuShare(&test.nano, test.of); got != test.part {
			t.Errorf("%d of %d nanocores are %s, want %s", test.nano, test.of, got, test.part)
		}
	}
}

func TestTopRefusesBadFlags(t *testing.T) {
	for _, args := range [][]string{
		{"nodes", "-o", "yaml"}, {"nodes", "-l", "a==="}, {"pods", "-A", "-n", "x"}, {"containers", "--every", "10ms"}, {"nodes", "extra"},
	} {
		cmd := newTop()
		cmd.SetArgs(args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if err := cmd.Execute(); ExitCode(err) != ExitBadInput {
			t.Errorf("top %v: %v, want bad input", args, err)
		}
	}
}

// The console writes ages in the browser; its examples are checked against Kubernetes' own
// code here, and against the console's in web/src/lib/format.test.ts.
func TestTheConsolesAgesAreKubectls(t *testing.T) {
	raw, err := os.ReadFile("../../web/src/lib/ages.json")
	if err != nil {
		t.Fatal(err)
	}
	var ages []struct {
		Seconds float64
		Text    string
	}
	if err := json.Unmarshal(raw, &ages); err != nil {
		t.Fatal(err)
	}
	if len(ages) < 30 {
		t.Errorf("%d examples", len(ages))
	}
	for _, a := range ages {
		if got := duration.HumanDuration(time.Duration(a.Seconds * float64(time.Second))); got != a.Text {
			t.Errorf("%v seconds are %q to kubectl, and %q to the console", a.Seconds, got, a.Text)
		}
	}
}
