package impersonation

import (
	"os"
	"strings"
	"testing"
)

// TestChartHasTheRoles: the chart makes and binds as many roles as names are spread
// over. A name in a role that does not exist would keep its node from being served.
func TestChartHasTheRoles(t *testing.T) {
	rendered, err := os.ReadFile("../../runtime/testdata/nodeport.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for shard := range Shards + 1 {
		// Once in the role, twice in its binding, once among edge-watcher's rights.
		got, want := strings.Count(string(rendered), roleName(shard)+"\n"), 4
		if shard == Shards {
			want = 0
		}
		if got != want {
			t.Errorf("the chart names %s %d times, want %d", roleName(shard), got, want)
		}
	}
}
