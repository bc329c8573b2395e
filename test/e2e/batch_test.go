//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestBatch makes enrollments from one list: one of them joins the spare host, one is
// refused for its own reason, and a list with a fault creates nothing.
func TestBatch(t *testing.T) {
	c := signIn(t, site.Tokens.Admin)
	clean := deviceState(t)
	before := enrollments(t, c)
	for fault, want := range map[string]string{
		"nodeName,nodeIP\nbatch-1,192.168.100.71\nbatch-1,192.168.100.72\n": "devices[1].nodeName",
		"nodeName,nodeIP\nbatch-1,192.168.100.71\n$(reboot),\n":             "devices[1].nodeName",
		"nodeName,secret\nbatch-1,x\n":                                      "line 1: there is no column",
	} {
		if _, err := batchOf(c, joinRequest(t, c), fault); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gets %v, want %q", fault, err, want)
		}
	}
	if after := enrollments(t, c); after != before {
		t.Errorf("a list with a fault made enrollments: %d before, %d after", before, after)
	}
	items, err := batchOf(c, joinRequest(t, c), "nodeName,nodeIP,labels\n"+spare+","+spareIP+",site=a;row=2\njetson-xavier,192.168.100.72,\nbatch-3,,\n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, i := range items {
			if i.Enrollment.Name == "" {
				continue
			}
			mustKubectl(t, "-n", "edgeway-join", "delete", "edgeenrollment", "--ignore-not-found", i.Enrollment.Name)
		}
	})
	if len(items) != 3 || items[1].Enrollment.Name != "" || !strings.Contains(fmt.Sprint(items[1].Error), "jetson-xavier") || items[2].Enrollment.Command == "" {
		t.Fatalf("the list became %+v", items)
	}
	onHost(t, spare, items[0].Enrollment.Command)
	waitPhase(t, c, items[0].Enrollment.Name, "Verified")
	if got := mustKubectl(t, "get", "node", spare, "-o", "jsonpath={.metadata.labels.site}{.metadata.labels.row}"); got != "a2" {
		t.Errorf("the node's labels of the list are %q", got)
	}
	leaveByConsole(t, c)
	onHost(t, spare, "edgectl leave")
	nothingLeft(t, clean)
}

type batchItem struct {
	NodeName   string     `json:"nodeName"`
	Enrollment enrollment `json:"enrollment"`
	Error      any        `json:"error"`
}

func batchOf(c console, base map[string]any, list string) (items []batchItem, err error) {
	body := map[string]any{"format": "csv", "list": list, "base": base}
	err = c.Call(http.MethodPost, clusterPath+"/enrollment-batches", body, &items)
	return items, err
}

func enrollments(t *testing.T, c console) int {
	t.Helper()
	var all []enrollment
	if err := c.Call(http.MethodGet, clusterPath+"/enrollments", nil, &all); err != nil {
		t.Fatal(err)
	}
	return len(all)
}
