package clusters

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
)

// findLimit bounds how long one look for members takes.
const findLimit = 10 * time.Second

// Registry has the clusters of a kubeconfig and the members that finders find on
// the host cluster. What is known is kept while the host cluster does not answer.
type Registry struct {
	local   *Kubeconfig
	finders []Finder
	log     *slog.Logger

	mu sync.RWMutex
	// found and failures by finder, as of its last answer.
	found    [][]member
	failures []string
	members  map[string]member
	// clashes are the members that were left out because of their name.
	clashes map[string]bool
}

var _ Clusters = (*Registry)(nil)

// member is a cluster with its configuration, or why it has none.
type member struct {
	Cluster
	config    *rest.Config
	namespace string
	refused   error
}

// NewRegistry knows no members before its first Refresh. Where two finders give a
// name, the earlier one has it; a context of the kubeconfig goes before all.
func NewRegistry(local *Kubeconfig, log *slog.Logger, finders ...Finder) *Registry {
	return &Registry{local: local, log: log, finders: finders,
		found: make([][]member, len(finders)), failures: make([]string, len(finders))}
}

// Run looks for members until ctx ends.
func (r *Registry) Run(ctx context.Context, every time.Duration) {
	wait.UntilWithContext(ctx, r.Refresh, every)
}

// Refresh looks for members once. A finder that fails keeps what it found before.
func (r *Registry) Refresh(ctx context.Context) {
	var wg sync.WaitGroup
	for i, f := range r.finders {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, findLimit)
			defer cancel()
			found, err := f.Find(ctx)
			r.take(i, found, err)
		})
	}
	wg.Wait()
	r.merge()
}

func (r *Registry) take(i int, found []Member, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		if text := err.Error(); text != r.failures[i] {
			r.failures[i] = text
			r.log.Warn("look for member clusters", "source", r.finders[i].Source(), "error", err)
		}
		return
	}
	r.failures[i] = ""
	members := make([]member, 0, len(found))
	for _, f := range found {
		members = append(members, memberOf(f, r.finders[i].Source()))
	}
	r.found[i] = members
}

func memberOf(f Member, source Source) member {
	sum := sha256.Sum256(f.Kubeconfig)
	m := member{Cluster: Cluster{Name: f.Name, Source: source, Guarded: true, Revision: hex.EncodeToString(sum[:])}}
	if f.Refused != "" {
		m.refused = fmt.Errorf("%w: %s", ErrRefused, f.Refused)
	} else {
		m.config, m.namespace, m.refused = parseMember(f.Kubeconfig)
	}
	if m.refused != nil {
		m.Problem = m.refused.Error()
	} else {
		m.Server = m.config.Host
	}
	return m
}

// merge settles which member has which name, and tells what changed.
func (r *Registry) merge() {
	r.mu.Lock()
	defer r.mu.Unlock()
	merged, clashes := map[string]member{}, map[string]bool{}
	for _, list := range r.found {
		for _, m := range list {
			by, taken := r.owner(merged, m.Name)
			if !taken {
				merged[m.Name] = m
				continue
			}
			clash := string(m.Source) + " " + m.Name
			if clashes[clash] = true; !r.clashes[clash] {
				r.log.Warn("member cluster is left out: its name is taken; rename one of the two",
					"cluster", m.Name, "source", m.Source, "taken by", by)
			}
		}
	}
	r.tell(merged)
	r.members, r.clashes = merged, clashes
}

func (r *Registry) owner(merged map[string]member, name string) (Source, bool) {
	if m, ok := merged[name]; ok {
		return m.Source, true
	}
	local, err := r.local.Get(name)
	return local.Source, err == nil
}

// tell logs members that are new, changed or gone.
func (r *Registry) tell(now map[string]member) {
	for name, m := range now {
		before, known := r.members[name]
		switch {
		case known && before.Revision == m.Revision && before.Source == m.Source:
		case m.refused != nil:
			r.log.Warn("member cluster", "cluster", name, "source", m.Source, "error", m.refused)
		default:
			r.log.Info("member cluster", "cluster", name, "source", m.Source, "server", m.Server)
		}
	}
	for name, m := range r.members {
		if _, still := now[name]; !still {
			r.log.Info("member cluster is gone", "cluster", name, "source", m.Source)
		}
	}
}

// List in order of name.
func (r *Registry) List() []Cluster {
	out := r.local.List()
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, m := range r.members {
		out = append(out, m.Cluster)
	}
	slices.SortFunc(out, func(a, b Cluster) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Host is the cluster of the kubeconfig's current context.
func (r *Registry) Host() Cluster { return r.local.Host() }

// Get a cluster by name.
func (r *Registry) Get(name string) (Cluster, error) {
	if m, ok := r.member(name); ok {
		return m.Cluster, nil
	}
	return r.local.Get(name)
}

func (r *Registry) member(name string) (member, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m, ok := r.members[name]
	return m, ok
}

// Config carries the member's stored credentials.
func (r *Registry) Config(name string) (*rest.Config, error) {
	m, ok := r.member(name)
	if !ok {
		return r.local.Config(name)
	}
	if m.refused != nil {
		return nil, fmt.Errorf("cluster %q: %w", name, m.refused)
	}
	return rest.CopyConfig(m.config), nil
}

// Namespace that the context of a cluster's kubeconfig names; "default" when it names none.
func (r *Registry) Namespace(name string) string {
	if m, ok := r.member(name); ok && m.namespace != "" {
		return m.namespace
	}
	return r.local.Namespace(name)
}

// ForUser impersonates the user on every member.
func (r *Registry) ForUser(name string, user User) (*rest.Config, error) {
	if _, ok := r.member(name); !ok {
		return r.local.ForUser(name, user)
	}
	config, err := r.Config(name)
	if err != nil {
		return nil, err
	}
	return impersonate(config, user)
}

// ForRedeemer impersonates the ServiceAccount that redeems join codes.
func (r *Registry) ForRedeemer(name string) (*rest.Config, error) {
	config, err := r.Config(name)
	if err != nil {
		return nil, err
	}
	return asRedeemer(config), nil
}
