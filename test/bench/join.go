package main

import (
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/test/onsite"
)

const (
	// joinHost is the edge host that every site leaves to be joined.
	joinHost     = "orangepi"
	joinPatience = 2 * time.Minute
)

// Figures of a join, one for each kind of KubeEdge programs.
const (
	joinStandIns = "join-verified"
	joinKubeEdge = "join-verified-kubeedge"
)

// errOtherPrograms is returned for a site of the other kind.
var errOtherPrograms = errors.New("the site runs other KubeEdge programs than this figure is about")

var joinGroups = []group{
	{
		figures: []spec{{name: joinStandIns, unit: "s", limit: limit(8), what: joinWhat("the stand-ins for KubeEdge")}},
		measure: func(b *bed) error { return measureJoin(b, joinStandIns) },
	},
	{
		figures: []spec{{name: joinKubeEdge, unit: "s", limit: limit(20), what: joinWhat("KubeEdge's own programs (`make up KUBEEDGE=/dir` before)")}},
		// It needs a site with programs that nobody but the caller has.
		cold:    true,
		measure: func(b *bed) error { return measureJoin(b, joinKubeEdge) },
	},
}

func joinWhat(programs string) string {
	return "One fresh edge host, from pasting the printed line until the console says Verified: a pod runs there, and a line of its log and the node's figures were read through the tunnel. The site runs " + programs + "; images are on the host."
}

func measureJoin(b *bed, figure string) error {
	up := siteUp(b)
	at, err := onsite.ReadAt(b.root)
	if err != nil {
		return err
	}
	if err := rightPrograms(figure, at.KubeEdge); err != nil {
		return err
	}
	console := at.SignIn(b, at.Tokens.Admin)
	for range b.runs {
		var took time.Duration
		b.inside(func(part *bed) {
			inner := *up
			inner.b = part
			took = inner.join(console)
		})
		b.record(figure, took.Seconds())
	}
	return nil
}

// rightPrograms tells whether a site with these KubeEdge programs, a directory or
// onsite.StandIn, is the one that a figure is about.
func rightPrograms(figure, kubeEdge string) error {
	right, remedy := joinStandIns, "run make down and make up first"
	if kubeEdge != onsite.StandIn {
		right = joinKubeEdge
	} else {
		remedy = "run make down and make up KUBEEDGE=/dir first"
	}
	if figure == right {
		return nil
	}
	return fmt.Errorf("%w: %s, and it has %s; %s, or measure %s", errOtherPrograms, figure, kubeEdge, remedy, right)
}

// join takes the host in by the printed line, and out again: what the line left when it
// failed goes when the part ends.
func (s *site) join(console onsite.Console) time.Duration {
	device := s.named(joinHost)
	if err := s.nodeGone(device.Name); err != nil {
		s.b.Fatalf("%v: take it out first (edgectl leave on the host, Retire in the console)", err)
	}
	request, err := console.JoinRequest(device.Name, device.Addresses[0])
	s.b.must(err)
	enrollment, err := console.Enroll(request)
	s.b.must(err)
	member := batchMember{NodeName: device.Name, enrollment: enrollment.Name, host: &device}
	s.b.undo(func() error { return s.takeOut([]batchMember{member}) })

	start := time.Now()
	s.b.must(s.shell(s.b.ctx, device, enrollment.Command))
	s.b.say("the line has ended after %.1f s", time.Since(start).Seconds())
	s.until(func() error {
		e, err := console.Enrollment(enrollment.Name)
		if err == nil && e.Phase != string(v1alpha1.PhaseVerified) {
			err = fmt.Errorf("enrollment %s is %s, want %s", e.Name, e.Phase, v1alpha1.PhaseVerified)
		}
		return err
	})
	took := time.Since(start)

	s.b.must(console.Retire(device.Name))
	s.until(func() error { return s.nodeGone(device.Name) })
	s.b.must(s.shell(s.b.ctx, device, "edgectl leave"))
	return took
}

// nodeGone is nil when there is no Node of this name.
func (s *site) nodeGone(name string) error {
	err := s.api().Get(s.b.ctx, client.ObjectKey{Name: name}, &corev1.Node{})
	if err == nil {
		return fmt.Errorf("the cluster has a node %s", name)
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// until repeats a check until it passes.
func (s *site) until(check func() error) {
	for end := time.Now().Add(joinPatience); ; s.b.pause(100 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			s.b.Fatalf("not after %s: %v", joinPatience, err)
		}
	}
}

// named finds a host by its name.
func (s *site) named(name string) host {
	for _, h := range s.Hosts {
		if h.Name == name {
			return h
		}
	}
	s.b.Fatalf("the sandbox has no host %s", name)
	return host{}
}
