package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// serveExec is a kube-apiserver's exec over its WebSocket protocol: channel 0 is
// typed, 1 shown, 3 the end, 4 the terminal's size. It shows what it is told, in
// capitals, until "exit".
func serveExec(f *fakeCluster, end string) chan string {
	heard := make(chan string, 16)
	f.mux.HandleFunc("GET /api/v1/namespaces/web/pods/p/exec", func(w http.ResponseWriter, r *http.Request) {
		if tokenOf(r) == "viewer" {
			status(w, http.StatusForbidden, "Forbidden")
			return
		}
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"v5.channel.k8s.io"}})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		defer close(heard)
		heard <- "command " + strings.Join(r.URL.Query()["command"], " ")
		for {
			_, raw, err := conn.Read(context.Background())
			if err != nil {
				heard <- "left"
				return
			}
			switch {
			case raw[0] == 4:
				heard <- "size " + strings.TrimSpace(string(raw[1:]))
			case raw[0] == 0 && string(raw[1:]) == "exit":
				_ = conn.Write(context.Background(), websocket.MessageBinary, append([]byte{3}, end...))
				_ = conn.Close(websocket.StatusNormalClosure, "")
				return
			case raw[0] == 0:
				_ = conn.Write(context.Background(), websocket.MessageBinary, append([]byte{1}, strings.ToUpper(string(raw[1:]))...))
			}
		}
	})
	f.mux.HandleFunc("POST /api/v1/namespaces/web/pods/p/exec", func(w http.ResponseWriter, _ *http.Request) {
		status(w, http.StatusForbidden, "Forbidden")
	})
	return heard
}

func dialTerminal(t *testing.T, c *console, token, query string) (*websocket.Conn, *http.Response, string) {
	t.Helper()
	cookie := c.signIn(token)
	conn, res, err := websocket.Dial(t.Context(), c.URL+"/api/v1/clusters/host/pods/web/p/terminal?container=c"+query,
		&websocket.DialOptions{HTTPHeader: http.Header{"Origin": {c.URL}, "Cookie": {cookieName + "=" + cookie}}})
	if err == nil {
		t.Cleanup(func() { conn.CloseNow() })
	}
	return conn, res, cookie
}

func readEnd(t *testing.T, conn *websocket.Conn) TerminalEnd {
	t.Helper()
	var end TerminalEnd
	if err := wsjson.Read(t.Context(), conn, &end); err != nil {
		t.Fatal(err)
	}
	return end
}

const exit7 = `{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}`

func TestTerminal(t *testing.T) {
	f := newFakeCluster(t)
	heard := serveExec(f, exit7)
	c := newConsole(t, f)
	conn, _, _ := dialTerminal(t, c, "admin", "&shell=bash&columns=100&rows=30")
	if got := <-heard; got != "command bash" {
		t.Errorf("heard %q", got)
	}
	if got := <-heard; got != `size {"Width":100,"Height":30}` {
		t.Errorf("heard %q", got)
	}
	send := func(kind websocket.MessageType, text string) {
		t.Helper()
		if err := conn.Write(t.Context(), kind, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	send(websocket.MessageText, `{"columns":120,"rows":40}`)
	if got := <-heard; got != `size {"Width":120,"Height":40}` {
		t.Errorf("heard %q", got)
	}
	send(websocket.MessageBinary, "top secret")
	if kind, raw, err := conn.Read(t.Context()); err != nil || kind != websocket.MessageBinary || string(raw) != "TOP SECRET" {
		t.Fatalf("%v %q %v", kind, raw, err)
	}
	send(websocket.MessageBinary, "exit")
	if end := readEnd(t, conn); end.Code != "Ended" || end.ExitCode == nil || *end.ExitCode != 7 {
		t.Errorf("end %+v", end)
	}
	log := c.log.String()
	for _, want := range []string{"operation=openTerminal", "operation=closeTerminal", "user=admin", "pod=p", "shell=bash"} {
		if !strings.Contains(log, want) {
			t.Errorf("the audit log lacks %q:\n%s", want, log)
		}
	}
	if strings.Contains(strings.ToLower(log), "secret") {
		t.Error("the audit log has what was typed")
	}
}

// TestCustomCommandsAreAudited: what ran is known, and cannot forge a line of the log.
func TestCustomCommandsAreAudited(t *testing.T) {
	f := newFakeCluster(t)
	heard := serveExec(f, exit7)
	c := newConsole(t, f)
	conn, _, _ := dialTerminal(t, c, "admin", "&shell=custom&command=sh&command=-c&command="+url.QueryEscape("rm -rf /data\nlevel=INFO msg=audit user=joe"))
	<-heard
	if err := conn.Write(t.Context(), websocket.MessageBinary, []byte("exit")); err != nil {
		t.Fatal(err)
	}
	readEnd(t, conn)
	for _, operation := range []string{"openTerminal", "closeTerminal"} {
		found := false
		for line := range strings.Lines(c.log.String()) {
			found = found || strings.Contains(line, "operation="+operation) && strings.Contains(line, "user=admin") &&
				strings.Contains(line, `rm -rf /data`) && strings.Contains(line, "shell=custom")
			if strings.HasPrefix(line, "level=INFO") {
				t.Error("a command has made a line of its own")
			}
		}
		if !found {
			t.Errorf("no line of %s has the command:\n%s", operation, c.log.String())
		}
	}
	if long := quotedCommand([]string{strings.Repeat("é", 5000)}); len([]rune(long)) > 1025 {
		t.Errorf("a command of %d characters is in the log", len([]rune(long)))
	}
}

func TestTerminalWithoutAShell(t *testing.T) {
	f := newFakeCluster(t)
	message, err := json.Marshal(map[string]string{"status": "Failure", "reason": "InternalError",
		"message": `OCI runtime exec failed: exec failed: exec: "bash": executable file not found in $PATH: unknown`})
	if err != nil {
		t.Fatal(err)
	}
	serveExec(f, string(message))
	conn, _, _ := dialTerminal(t, newConsole(t, f), "admin", "&shell=bash")
	if err := conn.Write(t.Context(), websocket.MessageBinary, []byte("exit")); err != nil {
		t.Fatal(err)
	}
	if end := readEnd(t, conn); end.Code != "NoProgram" || !strings.Contains(end.Message, "bash") || end.Remedy == "" {
		t.Errorf("end %+v", end)
	}
}

func TestTerminalNeedsTheRight(t *testing.T) {
	f := newFakeCluster(t)
	serveExec(f, "")
	conn, _, _ := dialTerminal(t, newConsole(t, f), "viewer", "")
	if end := readEnd(t, conn); end.Code != "Forbidden" {
		t.Errorf("end %+v, want Forbidden", end)
	}
}

func TestTerminalRefusals(t *testing.T) {
	f := newFakeCluster(t)
	serveExec(f, "")
	c := newConsole(t, f)
	if _, res, _ := dialTerminal(t, c, "admin", "&shell=custom"); res == nil || res.StatusCode != 422 {
		t.Errorf("custom without a command: %v", res)
	}
	if _, res, _ := dialTerminal(t, c, "admin", "&shell=zsh"); res == nil || res.StatusCode != 422 {
		t.Errorf("an unknown shell: %v", res)
	}
	path := "/api/v1/clusters/host/pods/web/p/terminal?container=c"
	res, body := c.do("GET", path, c.signIn("admin"), "", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") })
	if res.StatusCode != 403 || codeIn(t, body) != "ForeignOrigin" {
		t.Errorf("foreign page: %s %s", res.Status, body)
	}
	if res, body := c.do("GET", path, "", ""); res.StatusCode != 401 {
		t.Errorf("nobody signed in: %s %s", res.Status, body)
	}
}

func TestSignOutClosesTerminals(t *testing.T) {
	f := newFakeCluster(t)
	heard := serveExec(f, "")
	c := newConsole(t, f)
	conn, _, cookie := dialTerminal(t, c, "admin", "")
	<-heard // it runs
	c.do("DELETE", "/api/v1/session", cookie, "")
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("after sign-out: %v", err)
	}
	for got := range heard {
		if got == "left" {
			return
		}
	}
	t.Error("the program still runs")
}
