package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/test/program"
)

// site is a running sandbox, as its site.json describes it.
type site struct {
	b          *bed
	Kubeconfig string `json:"kubeconfig"`
	Hosts      []host `json:"hosts"`
}

type host struct {
	Name      string   `json:"name"`
	Role      string   `json:"role"`
	Addresses []string `json:"addresses"`
	Command   []string `json:"command"`
}

func siteFile(root string) string { return filepath.Join(root, ".sandbox", "site.json") }

// siteUp brings a sandbox up, unless there is one, and leaves what it found.
func siteUp(b *bed) *site { return siteUpWith(b) }

// siteUpWith gives make up variables, like SPARES=3.
func siteUpWith(b *bed, variables ...string) *site {
	if _, err := os.Stat(siteFile(b.root)); err != nil {
		b.say("make up %s", strings.Join(variables, " "))
		leaveDown(b)
		_, err := timed(b.ctx, b.root, nil, append([]string{"make", "up"}, variables...)...)
		b.must(err)
	}
	raw, err := os.ReadFile(siteFile(b.root))
	b.must(err)
	s := &site{b: b}
	b.must(json.Unmarshal(raw, s))
	return s
}

// host finds a host of a role.
func (s *site) host(role string) host {
	i := slices.IndexFunc(s.Hosts, func(h host) bool { return h.Role == role })
	if i < 0 {
		s.b.Fatalf("the sandbox has no host of role %s", role)
	}
	return s.Hosts[i]
}

// cloudHosts are those whose kernels hold routes.
func (s *site) cloudHosts() []host {
	return []host{s.host("control-plane"), s.host("worker")}
}

// start runs a program on a host until the group ends.
func (s *site) start(h host, env []string, args ...string) *program.Program {
	p, err := program.Start(filepath.Join(s.b.dir(), "log"), env, slices.Concat(h.Command, args)...)
	s.b.must(err)
	s.b.undo(p.Kill)
	return p
}

// netNS opens the network namespace of a host.
func (s *site) netNS(h host) int {
	const inside = "inside"
	p := s.start(h, nil, "sh", "-c", "echo "+inside+"; exec sleep 60")
	for !strings.Contains(p.Tail(), inside) {
		select {
		case <-p.Done():
			s.b.Fatalf("enter host %s: %s", h.Name, p.Tail())
		case <-time.After(10 * time.Millisecond):
		}
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", p.Pid()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	s.b.must(err)
	s.b.undo(func() error { return unix.Close(fd) })
	s.b.must(p.Kill())
	return fd
}

// hollow starts edge nodes without devices, and gives their names. Their Nodes go when
// the group ends.
func (s *site) hollow(count int) []string {
	const prefix = "edgesim-"
	s.admit(count + 100)
	api := s.api()
	var token corev1.Secret
	s.b.must(api.Get(s.b.ctx, client.ObjectKey{Namespace: v1alpha1.KubeEdgeNamespace, Name: "tokensecret"}, &token))
	s.b.say("starting %d hollow edge nodes", count)
	var names []string
	for n := range count {
		names = append(names, prefix+strconv.Itoa(n+1))
	}
	s.b.undo(func() error { return s.forget(api, names) })
	for _, name := range names { // the gate lets nobody in whose name it does not know
		s.b.must(client.IgnoreAlreadyExists(api.Create(s.b.ctx, hollowNode(name))))
	}
	s.start(s.host("internet"), []string{"EDGEWAY_TOKEN=" + string(token.Data["tokendata"])},
		filepath.Join(s.b.root, "bin", "standin", "edgesim"), "--count", strconv.Itoa(count), "--name-prefix", prefix,
		"--cloudcore", s.host("control-plane").Addresses[0],
		"--websocket-port", "31000", "--https-port", "31002", "--tunnel-port", "31004")
	return names
}

// hollowNode is the Node of a hollow edge node that is about to join with KubeEdge's token.
func hollowNode(name string) *corev1.Node {
	node := &corev1.Node{}
	node.Name = name
	node.Labels = map[string]string{v1alpha1.LabelEdge: "", corev1.LabelHostname: name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "arm64"}
	node.Spec.Taints = []corev1.Taint{{Key: "edgeway.io/hollow", Effect: corev1.TaintEffectNoSchedule}}
	return node
}

// forget deletes Nodes, as far as they came to be.
func (s *site) forget(api client.Client, names []string) error {
	for _, name := range names {
		node := &corev1.Node{}
		node.Name = name
		if err := api.Delete(context.WithoutCancel(s.b.ctx), node); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete node %s: %w", name, err)
		}
	}
	return nil
}

// admit lets so many edge nodes connect while the group runs.
func (s *site) admit(limit int) {
	var settings corev1.ConfigMap
	s.b.must(s.api().Get(s.b.ctx, client.ObjectKey{Namespace: v1alpha1.KubeEdgeNamespace, Name: "edgeway-settings"}, &settings))
	var before struct {
		CloudHub struct {
			NodeLimit int `json:"nodeLimit"`
		} `json:"cloudHub"`
	}
	s.b.must(json.Unmarshal([]byte(settings.Data["settings.json"]), &before))
	if before.CloudHub.NodeLimit >= limit {
		return
	}
	set := func(ctx context.Context, limit int) error {
		_, err := timed(ctx, s.b.root, nil, filepath.Join("bin", "edgeway"), "configure", "--kubeconfig", s.Kubeconfig,
			"--set", "cloudHub.nodeLimit="+strconv.Itoa(limit))
		return err
	}
	s.b.undo(func() error { return set(context.WithoutCancel(s.b.ctx), before.CloudHub.NodeLimit) })
	s.b.say("CloudCore is told to admit %d nodes", limit)
	s.b.must(set(s.b.ctx, limit))
}

func (s *site) api() client.Client {
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
	s.b.must(err)
	config.QPS = -1
	return clientFor(s.b, config)
}
