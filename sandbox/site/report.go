package site

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/edgeway-io/edgeway/sandbox/hosts"
)

// HostInfo is a host as scripts see it.
type HostInfo struct {
	Name      string   `json:"name"`
	Role      Role     `json:"role"`
	Addresses []string `json:"addresses"`
	// Command runs a program on the host: append the program and its arguments.
	Command []string `json:"command"`

	host hosts.Host
}

// Report is .sandbox/site.json: what scripts and tests need to use the site.
type Report struct {
	Kubeconfig string `json:"kubeconfig"`
	Kubectl    string `json:"kubectl"`
	Console    struct {
		URL string `json:"url"`
	} `json:"console"`
	Tokens struct {
		Admin  string `json:"admin"`
		Viewer string `json:"viewer"`
		// FleetAdmin is cluster-admin of both clusters, BranchAdmin of the second
		// alone and a viewer of the first.
		FleetAdmin  string `json:"fleetAdmin,omitempty"`
		BranchAdmin string `json:"branchAdmin,omitempty"`
	} `json:"tokens"`
	// Branch is the second cluster's kubeconfig, of its cluster-admin.
	Branch string `json:"branch,omitempty"`
	// KubeEdge is "stand-in" or the directory of the real programs.
	KubeEdge string `json:"kubeedge"`
	// Burner is the image of the program that uses a known amount of everything.
	Burner string     `json:"burner"`
	Hosts  []HostInfo `json:"hosts"`
}

func (s Site) reportFile() string { return filepath.Join(s.Dir, "site.json") }

func (s Site) writeReport(r Report) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	// Written whole or not at all: it is the sign that `up` has finished. It holds
	// sign-in tokens.
	tmp := s.reportFile() + ".tmp"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, s.reportFile())
}

// printNext tells people what to try.
func printNext(w io.Writer, r Report) {
	kubeEdge := "the stand-ins of this repository (sandbox/standin), in KubeEdge's wire format"
	if r.KubeEdge != standIn {
		kubeEdge = "the real programs in " + r.KubeEdge
	}
	fmt.Fprintf(w, `
The site is up. CloudCore and EdgeCore are %s.

  export KUBECONFIG=%s
  alias kubectl=%s

  kubectl get nodes -o wide
  kubectl logs deploy/hello-jetson-xavier -f --tail=3
  kubectl exec -it deploy/hello-raspberrypi -- sh
  kubectl top node; kubectl top pod
  make host HOST=jetson-xavier CMD='ip addr'
`, kubeEdge, r.Kubeconfig, r.Kubectl)
	if r.Console.URL != "" {
		fmt.Fprintf(w, `
  console   %s
  admin     %s
  viewer    %s
`, r.Console.URL, r.Tokens.Admin, r.Tokens.Viewer)
	}
	if r.Branch != "" {
		fmt.Fprintf(w, `
  second cluster, "branch"  kubectl --kubeconfig=%s
  fleet-admin   %s  (both clusters)
  branch-admin  %s  (the second; views the first)
`, r.Branch, r.Tokens.FleetAdmin, r.Tokens.BranchAdmin)
	}
	fmt.Fprint(w, "\nmake down removes all of it.\n")
}
