package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/edgeway-io/edgeway/internal/observe"
)

// shells are what a terminal runs. auto takes bash where there is one.
var shells = map[string][]string{
	"auto": {"sh", "-c", "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi"},
	"sh":   {"sh"},
	"bash": {"bash"},
}

const shellCustom = "custom"

// TerminalQuery chooses a container and what to run in it.
type TerminalQuery struct {
	PodPath
	Container string   `query:"container" required:"true" minLength:"1" maxLength:"63"`
	Shell     string   `query:"shell" default:"auto" enum:"auto,sh,bash,custom"`
	Command   []string `query:"command,explode" maxItems:"100" doc:"Program and arguments, with shell=custom"`
	Columns   uint16   `query:"columns" default:"80" minimum:"1" maximum:"1000"`
	Rows      uint16   `query:"rows" default:"24" minimum:"1" maximum:"1000"`
}

func (q *TerminalQuery) command() ([]string, error) {
	if q.Shell != shellCustom {
		return shells[q.Shell], nil
	}
	if len(q.Command) == 0 || q.Command[0] == "" {
		return nil, invalid("command", "no command is given", "give the program and its arguments, or choose another shell")
	}
	return q.Command, nil
}

func (s *Server) terminalRoutes() {
	o := op(http.MethodGet, pathPod+"/terminal", "openTerminal", "A shell in a container, over a WebSocket", metaOrigin, metaStream)
	o.Description = "Binary messages carry what is typed and what is shown. The client sends {\"columns\":80,\"rows\":24} as text when the size changes; " +
		"the server's only text message, of type TerminalEnd, says how it ended."
	o.Responses = map[string]*huma.Response{"101": {Description: "Switching to WebSocket"}}
	huma.Register(s.api, o, s.openTerminal)
}

func (s *Server) openTerminal(ctx context.Context, in *TerminalQuery) (*huma.StreamResponse, error) {
	command, err := in.command()
	if err != nil {
		return nil, err
	}
	c, err := s.clientsFor(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	call := callOf(ctx)
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		t := newTerminal(in.Columns, in.Rows)
		run := func(ctx context.Context) (int, error) {
			return observe.Exec(ctx, c.config, c.kube, observe.ExecOptions{
				Namespace: in.Namespace, Pod: in.Pod, Container: in.Container, Command: command,
				Stdin: t.typed, Stdout: t, Sizes: t,
			})
		}
		s.serveTerminal(w, r, call, in, t, run)
	}}, nil
}

// quotedCommand is a command line on one line of the audit log, cut where it is long.
func quotedCommand(command []string) string {
	words := make([]string, len(command))
	for i, word := range command {
		words[i] = strconv.Quote(word)
	}
	return cut(strings.Join(words, " "), 1024)
}

// serveTerminal lasts until the program ends, the browser leaves or the session is
// over. The audit log has who, where, which program and how long, and nothing of what was
// typed.
func (s *Server) serveTerminal(w http.ResponseWriter, r *http.Request, call *call, in *TerminalQuery, t *terminal, run func(context.Context) (int, error)) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // the origin has been checked
	if err != nil {
		return
	}
	defer conn.CloseNow()
	about := []slog.Attr{
		slog.String("remote", call.remote), slog.String("user", call.sess.user), slog.String("cluster", in.Cluster), slog.String("namespace", in.Namespace),
		slog.String("pod", in.Pod), slog.String("container", in.Container), slog.String("shell", in.Shell),
	}
	if in.Shell == shellCustom {
		about = append(about, slog.String("command", quotedCommand(in.Command)))
	}
	began := time.Now()
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "audit", append(about, slog.String("operation", "openTerminal"))...)
	ctx, cancel := context.WithCancel(call.sess.ctx)
	defer cancel()
	t.conn = conn
	go func() {
		defer cancel()
		t.readAll(context.WithoutCancel(ctx)) // a canceled read would take the last words with it
	}()
	go ping(ctx, conn)
	code, err := run(ctx)
	end := endOf(code, err)
	if call.sess.ctx.Err() != nil {
		why := call.sess.why()
		end = TerminalEnd{Code: why.Code, Message: why.Message, Remedy: why.Remedy}
	}
	s.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelInfo, "audit", append(about, slog.String("operation", "closeTerminal"),
		slog.Duration("lasted", time.Since(began).Round(time.Second)), slog.String("result", end.Code))...)
	if call.sess.ctx.Err() == nil || call.sess.why() != errNoSession { // who signed out needs no reason
		t.say(end)
	}
	closeFor(conn, call.sess)
}

// endOf tells how a terminal ended.
func endOf(code int, err error) TerminalEnd {
	if err == nil {
		return TerminalEnd{Code: "Ended", ExitCode: &code}
	}
	if errors.Is(err, context.Canceled) {
		return TerminalEnd{Code: "Left"}
	}
	if errors.Is(err, observe.ErrNoProgram) {
		return TerminalEnd{Code: "NoProgram", Message: err.Error(), Remedy: "choose another shell or a command that the image has"}
	}
	e := asError(logError(err))
	return TerminalEnd{Code: e.Code, Message: e.Message, Remedy: e.Remedy}
}
