package limit

import (
	"strings"
	"testing"
	"time"
)

func TestSizeOf(t *testing.T) {
	type row struct {
		Name   string
		Labels map[string]string
		Taints []struct{ Key, Value string }
		Beat   *time.Time
		Bytes  []byte
	}
	now := time.Now()
	empty := SizeOf(row{})
	for name, tc := range map[string]struct {
		row  row
		want int64
	}{
		"a string":   {row{Name: strings.Repeat("x", 100)}, 100},
		"a map":      {row{Labels: map[string]string{"abc": "defg"}}, 16 + 16 + 3 + 4},
		"a slice":    {row{Taints: []struct{ Key, Value string }{{"a", "bc"}, {}}}, 2*32 + 3},
		"a pointer":  {row{Beat: &now}, 24},
		"bytes":      {row{Bytes: make([]byte, 3, 1000)}, 1000},
		"nothing":    {row{}, 0},
		"everything": {row{Name: "n", Beat: &now, Bytes: []byte("x")[:1:1]}, 1 + 24 + 1},
	} {
		if got := SizeOf(tc.row) - empty; got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
