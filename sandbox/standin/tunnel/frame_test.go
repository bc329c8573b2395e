package tunnel

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// captured is a frame that a real CloudCore or EdgeCore sent, with what is in it.
type captured struct {
	Name    string           `json:"name"`
	From    string           `json:"from"`
	Frame   []byte           `json:"frame"`
	ID      uint64           `json:"id"`
	Type    Type             `json:"type"`
	Text    string           `json:"text"`
	Connect *capturedConnect `json:"connect"`
}

type capturedConnect struct {
	Scheme, Host, Path, Query, Method string
	Header                            http.Header
}

func capturedFrames(t testing.TB) []captured {
	t.Helper()
	data, err := os.ReadFile("testdata/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var frames []captured
	if err := json.Unmarshal(data, &frames); err != nil {
		t.Fatal(err)
	}
	if len(frames) == 0 {
		t.Fatal("no captured frames")
	}
	return frames
}

func TestCapturedFrames(t *testing.T) {
	for _, c := range capturedFrames(t) {
		t.Run(c.Name, func(t *testing.T) {
			frame, err := Decode(c.Frame)
			if err != nil {
				t.Fatal(err)
			}
			if frame.ID != c.ID || frame.Type != c.Type {
				t.Errorf("got stream %d, %s; want %d, %s", frame.ID, frame.Type, c.ID, c.Type)
			}
			if diff := cmp.Diff(c.Frame, frame.Encode()); diff != "" {
				t.Errorf("encoded again (-captured +got):\n%s", diff)
			}
			if c.Connect == nil {
				if diff := cmp.Diff(c.Text, string(frame.Data)); diff != "" {
					t.Errorf("data (-want +got):\n%s", diff)
				}
				return
			}
			checkConnect(t, frame, *c.Connect)
		})
	}
}

func checkConnect(t *testing.T, frame Frame, want capturedConnect) {
	t.Helper()
	got, err := ParseConnect(frame)
	if err != nil {
		t.Fatal(err)
	}
	if want.Method == "" {
		want.Method = http.MethodGet
	}
	have := capturedConnect{got.URL.Scheme, got.URL.Host, got.URL.Path, got.URL.RawQuery, got.Method, got.Header}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if got.ID != frame.ID {
		t.Errorf("MessID is %d, want the frame's %d", got.ID, frame.ID)
	}
}

// A request that comes in at CloudStream is encoded with the very fields that a
// real CloudCore sends.
func TestNewConnectMatchesCaptured(t *testing.T) {
	for _, c := range capturedFrames(t) {
		if c.Connect == nil || c.From != "cloud" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			method := c.Connect.Method
			if method == "" {
				method = http.MethodGet
			}
			target := c.Connect.Path
			if c.Connect.Query != "" {
				target += "?" + c.Connect.Query
			}
			r := httptest.NewRequest(method, target, nil)
			r.Header = c.Connect.Header
			frame, err := NewConnect(c.ID, c.Type, r).Frame(c.Type)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(fields(t, c.Frame[2:]), fields(t, frame.Data)); diff != "" {
				t.Errorf("request (-captured +got):\n%s", diff)
			}
		})
	}
}

func fields(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDecodeRefuses(t *testing.T) {
	overflow := bytes.Repeat([]byte{0xff}, 11)
	tests := map[string]struct {
		in   []byte
		want error
	}{
		"nothing":        {nil, ErrMalformed},
		"id cut short":   {[]byte{0x80}, ErrMalformed},
		"no type":        {[]byte{1}, ErrMalformed},
		"type cut short": {[]byte{1, 0x80}, ErrMalformed},
		"id overflows":   {overflow, ErrMalformed},
		"type overflows": {append([]byte{1}, overflow...), ErrMalformed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Decode(tt.in); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	for _, size := range []int{MaxData, MaxData + 1} {
		got, err := Decode(Frame{ID: 1, Type: Data, Data: make([]byte, size)}.Encode())
		if err != nil || len(got.Data) != MaxData {
			t.Errorf("%d bytes: %d are left, %v; want %d", size, len(got.Data), err, MaxData)
		}
	}
}

func TestParseConnectRefuses(t *testing.T) {
	for name, frame := range map[string]Frame{
		"data frame": {ID: 1, Type: Data, Data: []byte("{}")},
		"not JSON":   {ID: 1, Type: Logs, Data: []byte("nope")},
		"bad url":    {ID: 1, Type: Logs, Data: []byte(`{"url":1}`)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseConnect(frame); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
		})
	}
}

// FuzzDecode feeds arbitrary bytes: no panic, and what is accepted survives being
// encoded and decoded again.
func FuzzDecode(f *testing.F) {
	for _, c := range capturedFrames(f) {
		f.Add(c.Frame)
	}
	f.Add([]byte{0x80, 0x00, 0x03}) // a varint that is longer than need be
	f.Fuzz(func(t *testing.T, in []byte) {
		frame, err := Decode(in)
		if err != nil {
			return
		}
		again, err := Decode(frame.Encode())
		if err != nil {
			t.Fatalf("own encoding refused: %v", err)
		}
		if again.ID != frame.ID || again.Type != frame.Type || !bytes.Equal(again.Data, frame.Data) {
			t.Fatalf("got %v, want %v", again, frame)
		}
		if frame.Type.Opens() {
			_, _ = ParseConnect(frame) // must not panic; most inputs are no JSON
		}
	})
}

// FuzzRoundTrip encodes any frame and wants it back.
func FuzzRoundTrip(f *testing.F) {
	f.Add(uint64(0), uint64(5), []byte("reason"))
	f.Add(uint64(1)<<63, uint64(3), []byte{})
	f.Add(uint64(300), uint64(130), []byte{0xff, 0x00, 0x80})
	f.Fuzz(func(t *testing.T, id, typ uint64, data []byte) {
		want := Frame{ID: id, Type: Type(typ), Data: data}
		got, err := Decode(want.Encode())
		want.Data = data[:min(len(data), MaxData)]
		if err != nil {
			t.Fatal(err)
		}
		if got.ID != want.ID || got.Type != want.Type || !bytes.Equal(got.Data, want.Data) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}
