package cli

import (
	"strings"
	"testing"

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
