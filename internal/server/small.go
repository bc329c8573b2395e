package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/edgeway-io/edgeway/internal/observe"
)

func asError(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return fail(http.StatusInternalServerError, "Internal", err.Error(), "")
}

// quoted shows a value of the user's in a message, cut where it is long.
func quoted(value string) string {
	return strconv.Quote(cut(value, 100))
}

// cut shortens text to a number of characters.
func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

func unmarshal(raw []byte, into any) error { return json.Unmarshal(raw, into) }

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// count fills in the numbers of nodes.
func count(out *ClusterOverview, nodes []observe.Node) {
	var cloud, edge, ready int
	for _, n := range nodes {
		if n.Role != observe.RoleEdge {
			cloud++
			continue
		}
		edge++
		if n.State == "Ready" {
			ready++
		}
	}
	out.CloudNodes, out.EdgeNodes, out.EdgeReady = &cloud, &edge, &ready
}
