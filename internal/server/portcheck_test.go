package server

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/internal/portcheck"
)

// TestCheckPorts tries what is saved and nothing else, for cluster-admins, not too often.
func TestCheckPorts(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	var tried []portcheck.Target
	c.srv.checkPorts = func(_ context.Context, targets []portcheck.Target) []portcheck.Result {
		tried = append(tried, targets...)
		return []portcheck.Result{{Target: targets[0], Outcome: portcheck.Closed, Message: "connection refused"}}
	}
	const path = "/api/v1/clusters/host/kubeedge/check"
	if res, body := c.do("POST", path, c.signIn("viewer"), ""); res.StatusCode != http.StatusForbidden || len(tried) > 0 {
		t.Errorf("a viewer's check: %s: %s", res.Status, body)
	}
	admin := c.signIn("admin")
	res, body := c.do("POST", path, admin, `{"address":"198.51.100.9","port":22}`)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", res.Status, body)
	}
	var got PortCheck
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Host == "" || got.At != c.clock() || len(got.Results) != 1 || got.Results[0].Outcome != portcheck.Closed {
		t.Errorf("answer: %s", body)
	}
	want := []portcheck.Target{
		{Name: "webSocket", Address: savedAddress, Port: 31000, Protocol: "TCP"},
		{Name: "https", Address: savedAddress, Port: 31002, Protocol: "TCP"},
		{Name: "tunnel", Address: savedAddress, Port: 31004, Protocol: "TCP"},
	}
	if diff := cmp.Diff(want, tried); diff != "" {
		t.Error(diff)
	}
	limited := false
	for range 5 {
		res, _ := c.do("POST", path, admin, "")
		limited = limited || res.StatusCode == http.StatusTooManyRequests
	}
	if !limited {
		t.Error("checks are not limited")
	}
	c.advance(time.Minute)
	if res, body := c.do("POST", path, admin, ""); res.StatusCode != http.StatusOK {
		t.Errorf("a minute later: %s: %s", res.Status, body)
	}
}
