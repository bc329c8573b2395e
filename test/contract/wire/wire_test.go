package wire

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMessageComesBackAsItWas(t *testing.T) {
	want := Message{Header: Header{ID: "a", Parent: "b", Timestamp: 1700000000123, Sync: true, ResourceVersion: "7"},
		Route: Route{Source: "edgehub", Group: "resource", Operation: "keepalive", Resource: "node"}, Content: Text("ping")}
	b, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFrameComesBackAsItWas(t *testing.T) {
	want := Frame{ID: 300, Type: Data, Data: []byte("line\n")}
	got, err := DecodeFrame(want.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMalformedInputIsAnError(t *testing.T) {
	for name, read := range map[string]func() error{
		"no JSON":     func() error { _, err := Decode([]byte{1, 2}); return err },
		"empty frame": func() error { _, err := DecodeFrame(nil); return err },
		"frame's id":  func() error { _, err := DecodeFrame([]byte{1}); return err },
	} {
		if err := read(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v, want ErrMalformed", name, err)
		}
	}
}
