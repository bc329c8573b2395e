package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/test/onsite"
)

const (
	// batchHosts are edge hosts of the sandbox that wait to be joined, batchHollow nodes
	// without a device.
	batchHosts, batchHollow = 4, 200
	batchPatience           = 10 * time.Minute
)

var batchGroups = []group{{
	figures: []spec{{
		name: "batch-join", unit: "s", limit: limit(120),
		what: fmt.Sprintf("One list of %d devices and %d hollow nodes, from sending it to the console until every device is Verified (the printed line run on it) and every hollow node's tunnel is up (its code redeemed; it can run no pod to be verified by).", batchHosts, batchHollow),
	}},
	measure: measureBatch,
}}

// batchMember is a node of the list, with what the console made of it.
type batchMember struct {
	NodeName   string `json:"nodeName"`
	NodeIP     string `json:"nodeIP"`
	Code       string `json:"code"`
	enrollment string
	command    string
	host       *host
}

func measureBatch(b *bed) error {
	up := siteUpWith(b, fmt.Sprintf("SPARES=%d", batchHosts-1))
	up.admit(batchHosts + batchHollow + 100)
	site, err := readSite(b.root)
	if err != nil {
		return err
	}
	console, err := signInAdmin(b.ctx, site)
	if err != nil {
		return err
	}
	for range b.runs {
		var took time.Duration
		b.inside(func(part *bed) {
			inner := *up
			inner.b = part
			took = inner.joinBatch(site, console)
		})
		b.record("batch-join", took.Seconds())
	}
	return nil
}

// joinBatch takes all of them in, and out again when the part ends.
func (s *site) joinBatch(site benchSite, console *http.Client) time.Duration {
	members := s.batchMembers()
	s.b.undo(func() error { return s.takeOut(members) })
	start := time.Now()
	s.enrolBatch(site, console, members)
	s.b.say("the list is in after %.1f s", time.Since(start).Seconds())
	s.startHollow(site, members[batchHosts:])
	devices, ctx := errgroup.WithContext(s.b.ctx)
	for i := range members[:batchHosts] {
		m := &members[i]
		devices.Go(func() error { return s.shell(ctx, *m.host, m.command) })
	}
	s.b.must(devices.Wait())
	s.b.say("the devices' lines have ended after %.1f s", time.Since(start).Seconds())
	s.awaitBatch(members)
	return time.Since(start)
}

// batchMembers are the spare hosts and then the hollow nodes.
func (s *site) batchMembers() []batchMember {
	var members []batchMember
	for i := range s.Hosts {
		if h := &s.Hosts[i]; h.Role == "edge" && strings.HasPrefix(h.Name, "orangepi") {
			members = append(members, batchMember{NodeName: h.Name, NodeIP: h.Addresses[0], host: h})
		}
	}
	if len(members) != batchHosts {
		s.b.Fatalf("the sandbox has %d edge hosts that wait to be joined, want %d: take it down, or bring it up with SPARES=%d", len(members), batchHosts, batchHosts-1)
	}
	for n := range batchHollow {
		members = append(members, batchMember{NodeName: fmt.Sprintf("batch-%d", n+1), NodeIP: fmt.Sprintf("10.202.0.%d", n+1)})
	}
	return members
}

// enrolBatch sends the list, with the wizard's own defaults.
func (s *site) enrolBatch(site benchSite, console *http.Client, members []batchMember) {
	list := "nodeName,nodeIP\n"
	for _, m := range members {
		list += m.NodeName + "," + m.NodeIP + "\n"
	}
	var defaults struct{ Request map[string]any }
	s.b.must(call(s.b.ctx, console, site, http.MethodGet, "/api/v1/clusters/sandbox/join-defaults", nil, &defaults))
	body, err := json.Marshal(map[string]any{"format": "csv", "list": list, "base": defaults.Request})
	s.b.must(err)
	var items []struct {
		Enrollment struct{ Name, Command, Code string }
		Error      any
	}
	s.b.must(call(s.b.ctx, console, site, http.MethodPost, "/api/v1/clusters/sandbox/enrollment-batches", body, &items))
	for i, item := range items {
		if item.Error != nil || item.Enrollment.Code == "" {
			s.b.Fatalf("%s of the list is refused: %v", members[i].NodeName, item.Error)
		}
		members[i].enrollment, members[i].command, members[i].Code = item.Enrollment.Name, item.Enrollment.Command, item.Enrollment.Code
	}
}

// startHollow runs nodes without devices until the part ends.
func (s *site) startHollow(site benchSite, members []batchMember) {
	text, err := json.Marshal(members)
	s.b.must(err)
	file := filepath.Join(s.b.dir(), "enrollments.json")
	s.b.must(os.WriteFile(file, text, 0o600))
	s.start(s.host("internet"), nil, filepath.Join(s.b.root, "bin", "standin", "edgesim"),
		"--enrollments", file, "--console", site.Console.URL, "--pin", onsite.ConsolePin(s.b, site.Console.URL),
		"--cloudcore", s.host("control-plane").Addresses[0],
		"--websocket-port", "31000", "--https-port", "31002", "--tunnel-port", "31004")
}

// awaitBatch until everybody has come as far as it can.
func (s *site) awaitBatch(members []batchMember) {
	api := s.api()
	for end := time.Now().Add(batchPatience); ; s.b.pause(500 * time.Millisecond) {
		var list v1alpha1.EdgeEnrollmentList
		s.b.must(api.List(s.b.ctx, &list, client.InNamespace(v1alpha1.JoinNamespace)))
		phases := map[string]v1alpha1.EnrollmentPhase{}
		for i := range list.Items {
			phases[list.Items[i].Name] = list.Items[i].Status.Phase
		}
		missing, last := 0, ""
		for _, m := range members {
			phase := phases[m.enrollment]
			if phase != v1alpha1.PhaseVerified && (m.host != nil || phase != v1alpha1.PhaseTunnelUp) {
				missing++
				last = fmt.Sprintf("%s is %s", m.NodeName, phase)
			}
		}
		if missing == 0 {
			return
		}
		if time.Now().After(end) {
			s.b.Fatalf("%d of %d have not arrived after %s; %s", missing, len(members), batchPatience, last)
		}
	}
}

// takeOut makes hosts and cluster as they were.
func (s *site) takeOut(members []batchMember) error {
	ctx, api := context.WithoutCancel(s.b.ctx), s.api()
	var names []string
	for _, m := range members {
		names = append(names, m.NodeName)
		if m.enrollment == "" {
			continue
		}
		e := &v1alpha1.EdgeEnrollment{}
		e.Namespace, e.Name = v1alpha1.JoinNamespace, m.enrollment
		if err := client.IgnoreNotFound(api.Delete(ctx, e)); err != nil {
			return fmt.Errorf("delete enrollment %s: %w", e.Name, err)
		}
	}
	if err := s.forget(api, names); err != nil {
		return err
	}
	// Nobody confirms that the probes of hollow nodes have ended.
	if err := api.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(v1alpha1.JoinNamespace), client.GracePeriodSeconds(0)); err != nil {
		return fmt.Errorf("delete probe pods: %w", err)
	}
	for _, m := range members {
		if m.host == nil {
			continue
		}
		if err := s.shell(ctx, *m.host, "if command -v edgectl; then edgectl leave; fi"); err != nil {
			return fmt.Errorf("%s does not leave: %w", m.NodeName, err)
		}
	}
	return nil
}

// shell runs a line on a host as a person who pastes it does.
func (s *site) shell(ctx context.Context, h host, line string) error {
	_, err := timed(ctx, s.b.root, nil, append(h.Command[:len(h.Command):len(h.Command)], "sh", "-c", line)...)
	return err
}
