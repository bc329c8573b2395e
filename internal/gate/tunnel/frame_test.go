package tunnel

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// connect is a frame of a real CloudCore, with one header more.
const connect = `{"MessID":300,"url":{"Scheme":"http","Opaque":"","User":null,"Host":"127.0.0.1:10350","Path":"/exec/default/hello/c","RawQuery":"command=ls"},` +
	`"header":{"Accept-Encoding":["gzip"],"Edgeway-Ticket":["secret"]},"method":"POST"}`

func TestFrameRoundTrip(t *testing.T) {
	want := frame{stream: 300, kind: attach, data: []byte(connect)}
	got, err := parse(want.message())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(frame{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range [][]byte{nil, {0x80}, {1}, {1, 0x80}} {
		if _, err := parse(bad); !errors.Is(err, errMalformed) {
			t.Errorf("% x: error %v, want errMalformed", bad, err)
		}
	}
}

func TestTakeHeaderLeavesTheRest(t *testing.T) {
	f := frame{stream: 300, kind: exec, data: []byte(connect)}
	value, err := f.takeHeader("Edgeway-Ticket")
	if err != nil || value != "secret" {
		t.Fatalf("got %q, %v; want the ticket", value, err)
	}
	var before, after map[string]any
	if err := errors.Join(json.Unmarshal([]byte(connect), &before), json.Unmarshal(f.data, &after)); err != nil {
		t.Fatal(err)
	}
	delete(before["header"].(map[string]any), "Edgeway-Ticket")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "[]", `{"header":1}`, `{}`} {
		f := frame{data: []byte(bad)}
		if _, err := f.takeHeader(http.CanonicalHeaderKey("x")); !errors.Is(err, errMalformed) {
			t.Errorf("%q: error %v, want errMalformed", bad, err)
		}
	}
}
