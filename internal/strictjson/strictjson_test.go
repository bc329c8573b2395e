package strictjson

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestUnmarshal(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1,"a":2}`:            `"a"`,
		`{"a":{"b":1,"b":1}}`:      `"a.b"`,
		`{"a":[{},{"b":1,"b":2}]}`: `"a[1].b"`,
		`{"a":1,"\u0061":2}`:       `"a"`,
		`{"a":1} {"a":2}`:          "after top-level value",
		`{"a":`:                    "unexpected end",
	} {
		var into any
		if err := Unmarshal([]byte(text), &into); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	for _, text := range []string{`{"a":1,"b":{"a":1}}`, `[{"a":1},{"a":2}]`, `12345678901234567890`, `null`, ` "x" `} {
		var into, want any
		if err := Unmarshal([]byte(text), &into); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzUnmarshal: what is read, encoding/json reads, too, and writes without a key twice.
func FuzzUnmarshal(f *testing.F) {
	for _, text := range []string{`{"a":1,"a":2}`, `[{"a":{}}]`, `{"\ud800":1,"\ufffd":2}`, `1e400`, "\xff", `{"":0}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var into any
		if Unmarshal(data, &into) != nil {
			return
		}
		again, err := json.Marshal(into)
		if err != nil {
			t.Fatal(err)
		}
		var twice any
		if err := Unmarshal(again, &twice); err != nil {
			t.Errorf("%s becomes %s: %v", data, again, err)
		}
	})
}
