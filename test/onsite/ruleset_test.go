package onsite

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ruleset is nft's JSON of a table with two rules and a set.
func ruleset(handle, packets int, elements, first, second string) string {
	return fmt.Sprintf(`{"nftables":[{"metainfo":{"version":"1"}},
		{"table":{"family":"inet","name":"t","handle":%[1]d}},
		{"set":{"family":"inet","table":"t","name":"s","type":"ipv4_addr","handle":%[1]d,"elem":[%[3]s]}},
		{"counter":{"family":"inet","table":"t","name":"c","handle":%[1]d,"packets":%[2]d,"bytes":%[2]d}},
		{"chain":{"family":"inet","table":"t","name":"empty","handle":%[1]d}},
		{"rule":{"family":"inet","table":"t","chain":"ch","handle":%[1]d,"comment":"x%[1]d","expr":[{"counter":{"packets":%[2]d,"bytes":1}},{"drop":%[4]q}]}},
		{"rule":{"family":"inet","table":"t","chain":"ch","handle":%[1]d,"expr":[{"drop":%[5]q}]}}]}`,
		handle, packets, elements, first, second)
}

func linesOf(t *testing.T, text string) []string {
	t.Helper()
	var objects nftObjects
	if err := json.Unmarshal([]byte(text), &objects); err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range objects.lines() {
		out = append(out, line.text)
	}
	slices.Sort(out)
	return out
}

func TestRulesetsAreEqualWhenTheyMeanTheSame(t *testing.T) {
	base := linesOf(t, ruleset(1, 7, `"10.0.0.1","10.0.0.2"`, "a", "b"))
	for name, c := range map[string]struct {
		text string
		same bool
	}{
		"other handles, comments, counters and order of elements": {ruleset(99, 1234, `"10.0.0.2","10.0.0.1"`, "a", "b"), true},
		"an element less":   {ruleset(1, 7, `"10.0.0.1"`, "a", "b"), false},
		"another element":   {ruleset(1, 7, `"10.0.0.1","10.0.0.3"`, "a", "b"), false},
		"rules exchanged":   {ruleset(1, 7, `"10.0.0.1","10.0.0.2"`, "b", "a"), false},
		"another rule":      {ruleset(1, 7, `"10.0.0.1","10.0.0.2"`, "a", "c"), false},
		"no counter object": {strings.Replace(ruleset(1, 7, `"10.0.0.1","10.0.0.2"`, "a", "b"), `"name":"c"`, `"name":"d"`, 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(base, linesOf(t, c.text)); (diff == "") != c.same {
				t.Errorf("equal: %v, want %v:\n%s", diff == "", c.same, diff)
			}
		})
	}
	if n := len(base); n != 8 {
		t.Errorf("the ruleset has %d lines, want 8:\n%s", n, strings.Join(base, "\n"))
	}
}
