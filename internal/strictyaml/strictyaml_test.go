package strictyaml_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/internal/strictyaml"
)

type thing struct {
	Name   string            `json:"name"`
	On     bool              `json:"on"`
	Count  int               `json:"count"`
	List   []string          `json:"list"`
	Labels map[string]string `json:"labels"`
	Parts  []part            `json:"parts"`
	Sub    part              `json:"sub"`
}

type part struct {
	Key  string `json:"key,omitempty"`
	Line int    `json:"-"`
}

func (p *part) SetLine(line int) { p.Line = line }

func base() thing {
	return thing{Name: "n", On: true, Count: 3, List: []string{"l"}, Labels: map[string]string{"a": "b"}, Sub: part{Key: "k"}}
}

func TestTextComesOutAsItIsWritten(t *testing.T) {
	for in, want := range map[string]string{
		"jetson-xavier": "jetson-xavier", `"010"`: "010", "'1.10'": "1.10", `"yes"`: "yes", "192.168.1.10": "192.168.1.10",
		"v1.10": "v1.10", "1.2.3": "1.2.3", "2026-01-02": "2026-01-02", "00:1a:2b:3c:4d:5e": "00:1a:2b:3c:4d:5e",
		"!!str 0x1F": "0x1F", "|-\n  two\n  lines": "two\nlines", ">-\n  one\n  line": "one line", `""`: "", "a # comment": "a", "Ünïcode": "Ünïcode",
	} {
		var got thing
		if err := strictyaml.Decode([]byte("name: "+in+"\n"), &got); err != nil || got.Name != want {
			t.Errorf("%s became %q, %v", in, got.Name, err)
		}
	}
}

func TestWhatCouldBeSomethingElseIsRefusedAsText(t *testing.T) {
	for _, in := range []string{"010", "0123", "08", "0o17", "0x1F", "0b101", "1.10", "1e3", "1_000", "42", "-1", ".5", ".inf", ".nan",
		"true", "False", "yes", "No", "on", "OFF", "y", "N", "!!binary aGk=", "!custom x", "[a]", "{a: b}", "!!int 7", "!!float \"1\""} {
		for _, document := range []string{"name: " + in, "list: [" + in + "]", "labels: {a: " + in + "}", "parts: [{key: " + in + "}]"} {
			got := base()
			var faults strictyaml.Faults
			if err := strictyaml.Decode([]byte(document), &got); !errors.As(err, &faults) || faults[0].Line != 1 || faults[0].Remedy == "" {
				t.Errorf("%s is accepted as %+v, or the fault has no line or no remedy: %v", document, got, err)
			}
		}
	}
	// A key is text, too.
	for _, in := range []string{"010", "1.10", "yes", "true", "null", "~", "1"} {
		var got thing
		if err := strictyaml.Decode([]byte("labels: {"+in+": a}"), &got); err == nil {
			t.Errorf("key %s is accepted as %v", in, got.Labels)
		}
	}
}

func TestBooleansAndNumbers(t *testing.T) {
	for document, want := range map[string]thing{
		"on: true": {On: true}, "on: False": {}, "on: yes": {On: true}, "on: off": {},
		"count: 10": {Count: 10}, "count: -3": {Count: -3}, "count: 0": {},
	} {
		var got thing
		err := strictyaml.Decode([]byte(strings.Replace(document, "on:", `"on":`, 1)), &got)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", document, err, diff)
		}
	}
	for _, document := range []string{`"on": 1`, `"on": "true"`, `"on": 0`, `"on": t`, `"on": []`, "count: 010", "count: 08", "count: 0x10", "count: 1_0", "count: +5",
		"count: 1.0", "count: 1e3", `count: "5"`, "count: five", "count: true", "count: 99999999999999999999", "count: [1]", "list: a", "list: {a: b}", "labels: [a]", "sub: x", "sub: []"} {
		var got thing
		if err := strictyaml.Decode([]byte(document), &got); err == nil {
			t.Errorf("%s is accepted as %+v", document, got)
		}
	}
}

func TestNullAndAbsentChangeNothing(t *testing.T) {
	for _, document := range []string{"", "null", "{}", "name:", "on:\n", "{name: ~, \"on\": null, count: , list: , labels: , parts: , sub: }", "labels: \nsub:\n"} {
		got := base()
		if err := strictyaml.Decode([]byte(document), &got); err != nil && !strings.Contains(document, "on:\n") {
			t.Errorf("%q: %v", document, err)
		}
		if diff := cmp.Diff(base(), got); diff != "" {
			t.Errorf("%q: %s", document, diff)
		}
	}
	got := base()
	if err := strictyaml.Decode([]byte("labels: {x: , y-1: z}\nlist: []"), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"y-1": "z"}, got.Labels); diff != "" || len(got.List) != 0 {
		t.Errorf("lists and maps are not replaced: %v, %v", got.Labels, got.List)
	}
	if err := strictyaml.Decode([]byte("labels: {x: }"), &got, strictyaml.NullIsFault()); err == nil {
		t.Error("a key without a value is accepted")
	}
}

func TestEveryFaultIsTold(t *testing.T) {
	var got thing
	err := strictyaml.Decode([]byte("name: 1\nname: b\nlabels:\n  a: 010\n  a: x\n  b: yes\nparts:\n- key: 2\n-\n- nope: 1\n- Key: x\nsub: {<<: {key: a}}\n"), &got)
	var faults strictyaml.Faults
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	var codes []string
	for _, f := range faults {
		codes = append(codes, fmt.Sprintf("%d %s %s", f.Line, f.Field, f.Code))
	}
	want := []string{"1 name NotQuoted", "2 name DuplicateKey", "4 labels.a NotQuoted", "5 labels.a DuplicateKey", "6 labels.b NotQuoted",
		"8 parts[0].key NotQuoted", "9 parts[1] NoValue", "10 parts[2].nope UnknownField", "11 parts[3].Key UnknownField", "12 sub UnknownField"}
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Error(diff)
	}
	if text := err.Error(); !strings.Contains(text, "line 4: labels.a: 010 is a number where text is expected: write \"010\", with the quotes") ||
		!strings.Contains(text, "write it as key") {
		t.Error(text)
	}
}

func TestOneDocument(t *testing.T) {
	for document, line := range map[string]int{
		"name: a\n---\nname: b\n": 2, "name: a\n---\n- x\n": 2, "{\"name\": \"a\"}\n{\"name\": \"b\"}": 2, "---\nname: a\n...\n---\nname: b": 5, "name: a\n--- b\n": 2,
	} {
		var got thing
		var faults strictyaml.Faults
		if err := strictyaml.Decode([]byte(document), &got); !errors.As(err, &faults) || faults[0].Line < line || faults[0].Line > line+1 {
			t.Errorf("%q: %v, want a fault about line %d", document, err, line)
		}
	}
	for _, document := range []string{"---\nname: a\n", "name: a\n...\n", "name: a\n---\n", "name: a\n---\n# nothing more\n"} {
		var got thing
		if err := strictyaml.Decode([]byte(document), &got); err != nil || got.Name != "a" {
			t.Errorf("%q: %v", document, err)
		}
	}
}

func TestItemsKnowTheirLine(t *testing.T) {
	var got thing
	if err := strictyaml.Decode([]byte("parts:\n# first\n- key: a\n\n- &b\n  key: b\n- *b\n"), &got); err != nil {
		t.Fatal(err)
	}
	want := []part{{"a", 3}, {"b", 5}, {"b", 7}}
	if diff := cmp.Diff(want, got.Parts); diff != "" {
		t.Error(diff)
	}
}

// TestAliasesDoNotMultiplyTheWork: 10,000 items that share 10,000 labels.
func TestAliasesDoNotMultiplyTheWork(t *testing.T) {
	type item struct {
		Labels map[string]string `json:"labels"`
	}
	var b strings.Builder
	b.WriteString("- labels: &l {")
	for i := range 10_000 {
		fmt.Fprintf(&b, "k%d: v, ", i)
	}
	b.WriteString("}\n" + strings.Repeat("- labels: *l\n", 10_000))
	var got []item
	var faults strictyaml.Faults
	if err := strictyaml.Decode([]byte(b.String()), &got); !errors.As(err, &faults) || faults[0].Code != strictyaml.CodeTooLarge || len(faults) != 1 {
		t.Errorf("got %v", err)
	}
}
