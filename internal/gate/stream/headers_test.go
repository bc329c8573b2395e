package stream

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestToDeviceKeepsWhatAKubeletReads(t *testing.T) {
	from := http.Header{
		"Authorization":             {"Bearer secret"},
		"Proxy-Authorization":       {"Basic secret"},
		"Cookie":                    {"session=secret"},
		"X-Remote-User":             {"admin"},
		"Impersonate-User":          {"admin"},
		"X-Auth-Token":              {"secret"},
		"X-Forwarded-For":           {"10.0.0.1"},
		"Edgeway-Ticket":            {"mine"},
		"Accept":                    {"text/plain"},
		"User-Agent":                {"kubectl"},
		"X-Stream-Protocol-Version": {"v5.channel.k8s.io", "v4.channel.k8s.io"},
		"Sec-Websocket-Key":         {"abc="},
		"Sec-Websocket-Protocol":    {"v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0", "v4.channel.k8s.io"},
	}
	want := http.Header{
		"Accept":                    {"text/plain"},
		"User-Agent":                {"kubectl"},
		"X-Stream-Protocol-Version": {"v5.channel.k8s.io", "v4.channel.k8s.io"},
		"Sec-Websocket-Key":         {"abc="},
		"Sec-Websocket-Protocol":    {"v5.channel.k8s.io,v4.channel.k8s.io"},
	}
	if diff := cmp.Diff(want, toDevice(from)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(http.Header{}, toDevice(http.Header{"Sec-Websocket-Protocol": {"base64url.bearer.authorization.k8s.io.c2VjcmV0"}})); diff != "" {
		t.Errorf("a token alone (-want +got):\n%s", diff)
	}
}
