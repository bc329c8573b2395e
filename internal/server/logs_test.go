package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/google/go-cmp/cmp"
)

// hostile log text: escape sequences, HTML, NUL and bytes that are no UTF-8.
const hostile = "\x1b[31m<script>alert(1)</script>\x00\xff"

func serveLogs(f *fakeCluster, lines int) {
	f.mux.HandleFunc("GET /api/v1/namespaces/web/pods/p/log", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("container") != "c" {
			status(w, http.StatusBadRequest, "BadRequest")
			return
		}
		for i := range lines {
			if r.URL.Query().Get("timestamps") == "true" {
				fmt.Fprintf(w, "2026-01-02T03:04:05.%09dZ ", i+1)
			}
			fmt.Fprintf(w, "%s %d\n", hostile, i)
		}
	})
	f.mux.HandleFunc("GET /api/v1/namespaces/web/pods/p", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"kind": "Pod", "apiVersion": "v1", "metadata": map[string]any{"name": "p", "namespace": "web"},
			"spec": map[string]any{"containers": []any{map[string]any{"name": "c"}}, "restartPolicy": "Never"},
			"status": map[string]any{"containerStatuses": []any{map[string]any{"name": "c",
				"state": map[string]any{"terminated": map[string]any{"reason": "Completed"}}}}}})
	})
}

func TestDownloadIsByteForByte(t *testing.T) {
	f := newFakeCluster(t)
	serveLogs(f, 3)
	c := newConsole(t, f)
	res, body := c.do("GET", "/api/v1/clusters/host/pods/web/p/logs?container=c&tail=-1", c.signIn("viewer"), "")
	want := hostile + " 0\n" + hostile + " 1\n" + hostile + " 2\n"
	if res.StatusCode != 200 || body != want {
		t.Errorf("%s %q", res.Status, body)
	}
	if ct := res.Header.Get("Content-Type"); ct != "text/plain; charset=utf-8" {
		t.Errorf("content type %q", ct)
	}
	if res, body := c.do("GET", "/api/v1/clusters/host/pods/web/p/logs?container=other", c.signIn("viewer"), ""); res.StatusCode != 422 {
		t.Errorf("a refused log: %s %s", res.Status, body)
	}
}

func TestStreamWaitsForAcknowledgement(t *testing.T) {
	const lines = frameLines*(maxUnacked+2) + 7
	f := newFakeCluster(t)
	serveLogs(f, lines)
	c := newConsole(t, f)
	conn, _, err := websocket.Dial(t.Context(), c.URL+"/api/v1/clusters/host/pods/web/p/logs/stream?container=c&tail=-1&follow=true",
		&websocket.DialOptions{HTTPHeader: http.Header{"Origin": {c.URL}, "Cookie": {cookieName + "=" + c.signIn("viewer")}}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(1 << 22)
	var got []string
	var unacked []int64
	for {
		var frame LogFrame
		if err := wsjson.Read(t.Context(), conn, &frame); err != nil {
			t.Fatal(err)
		}
		for _, row := range frame.Lines {
			got = append(got, row.Text)
		}
		unacked = append(unacked, frame.Seq)
		if frame.Event == "end" {
			if diff := cmp.Diff("ContainerEnded", frame.Cause); diff != "" {
				t.Error(diff)
			}
			break
		}
		if len(unacked) < maxUnacked {
			continue
		}
		for _, seq := range unacked {
			if err := wsjson.Write(t.Context(), conn, map[string]int64{"ack": seq}); err != nil {
				t.Fatal(err)
			}
		}
		unacked = nil
	}
	if len(got) != lines {
		t.Fatalf("%d lines, want %d", len(got), lines)
	}
	if want := strings.ToValidUTF8(hostile, "\uFFFD") + fmt.Sprintf(" %d", lines-1); got[lines-1] != want {
		t.Errorf("last line %q, want %q", got[lines-1], want)
	}
}

func TestSignOutClosesStreams(t *testing.T) {
	f := newFakeCluster(t)
	f.mux.HandleFunc("GET /api/v1/namespaces/web/pods/p/log", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "2026-01-02T03:04:05Z hello\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	c := newConsole(t, f)
	cookie := c.signIn("viewer")
	conn, _, err := websocket.Dial(t.Context(), c.URL+"/api/v1/clusters/host/pods/web/p/logs/stream?container=c&follow=true",
		&websocket.DialOptions{HTTPHeader: http.Header{"Origin": {c.URL}, "Cookie": {cookieName + "=" + cookie}}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	var frame LogFrame
	for len(frame.Lines) == 0 {
		if err := wsjson.Read(t.Context(), conn, &frame); err != nil {
			t.Fatal(err)
		}
	}
	c.do("DELETE", "/api/v1/session", cookie, "")
	err = wsjson.Read(t.Context(), conn, &frame)
	if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("after sign-out: %v", err)
	}
}

func TestMergedLogs(t *testing.T) {
	f := newFakeCluster(t)
	serveLogs(f, 2)
	f.mux.HandleFunc("GET /apis/apps/v1/namespaces/web/deployments/d", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"kind": "Deployment", "apiVersion": "apps/v1", "spec": map[string]any{"selector": map[string]any{"matchLabels": map[string]string{"app": "d"}}}})
	})
	f.mux.HandleFunc("GET /api/v1/namespaces/web/pods", func(w http.ResponseWriter, r *http.Request) {
		items := []any{}
		if r.URL.Query().Get("labelSelector") == "app=d" {
			items = append(items, map[string]any{"metadata": map[string]any{"name": "p"}, "spec": map[string]any{"nodeName": "n", "containers": []any{map[string]any{"name": "c"}}}})
		}
		reply(w, map[string]any{"kind": "PodList", "apiVersion": "v1", "items": items})
	})
	c := newConsole(t, f)
	cookie := c.signIn("viewer")
	for _, query := range []string{"workload=Deployment/d", "selector=app%3Dd", "workload=Pod/p"} {
		res, body := c.do("GET", "/api/v1/clusters/host/logs/web?tail=-1&"+query, cookie, "")
		if want := "[p/c] " + hostile + " 0\n[p/c] " + hostile + " 1\n"; res.StatusCode != 200 || body != want {
			t.Errorf("%s: %s %q, want %q", query, res.Status, body, want)
		}
	}
	for query, field := range map[string]string{
		"": "workload", "workload=Deployment/d&selector=a": "workload", "workload=Service/x": "workload", "selector=a+in": "selector",
	} {
		res, body := c.do("GET", "/api/v1/clusters/host/logs/web?"+query, cookie, "")
		if res.StatusCode != 422 || !strings.Contains(body, `"field":"`+field+`"`) {
			t.Errorf("%q: %s %s, want field %s", query, res.Status, body, field)
		}
	}
}

func TestStreamGoesOnBehindAPosition(t *testing.T) {
	f := newFakeCluster(t)
	serveLogs(f, 5)
	c := newConsole(t, f)
	cookie := c.signIn("viewer")
	path := "/api/v1/clusters/host/pods/web/p/logs/stream?container=c&tail=-1&resume="
	conn, _, err := websocket.Dial(t.Context(), c.URL+path+"p/c@2026-01-02T03:04:05.000000003Z%2B1",
		&websocket.DialOptions{HTTPHeader: http.Header{"Origin": {c.URL}, "Cookie": {cookieName + "=" + cookie}}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	var got []string
	for {
		var frame LogFrame
		if err := wsjson.Read(t.Context(), conn, &frame); err != nil {
			t.Fatal(err)
		}
		for _, row := range frame.Lines {
			got = append(got, row.Text[len(row.Text)-1:])
		}
		if frame.Event == "end" {
			break
		}
	}
	if diff := cmp.Diff([]string{"3", "4"}, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"p/c", "p/c@yesterday%2B1", "p/c@2026-01-02T03:04:05Z%2Bx"} {
		if res, body := c.do("GET", path+bad, cookie, ""); res.StatusCode != 422 || !strings.Contains(body, `"field":"resume"`) {
			t.Errorf("%s: %s %s", bad, res.Status, body)
		}
	}
}
