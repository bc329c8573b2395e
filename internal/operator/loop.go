package operator

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/time/rate"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/conntrack"
)

const (
	// checkEvery is how often the kernel's rules are compared although nobody told
	// of a change.
	checkEvery = 30 * time.Second
	// deepCheckEvery is the same for set elements, when there are too many to read
	// them every time.
	deepCheckEvery = 10 * time.Minute
	// cheapRoutes may be read at every check.
	cheapRoutes = 5000
	// settle lets a firewall's reload end before its damage is repaired.
	settle   = 50 * time.Millisecond
	retryMin = time.Second
	retryMax = 30 * time.Second
)

// localAddresses reads the node's own addresses.
type localAddresses func() ([]netip.Addr, error)

// loop owns the model and the kernel.
type loop struct {
	log     *slog.Logger
	feed    *feed
	model   *netrules.Model
	backend netrules.Backend
	purger  *purger
	report  *report
	metrics *metrics
	local   localAddresses

	generations map[string]int64
	// invalid are the unusable parts of route objects, by object.
	invalid   map[feedKey]error
	uninstall bool
	removed   bool
	started   bool
	lastDeep  time.Time
	// changedAt are when causes of pending changes were seen.
	changedAt []time.Time
}

// run works until ctx ends. The feed must already hold all objects.
func (l *loop) run(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	repairs := rate.NewLimiter(rate.Every(500*time.Millisecond), 4)
	check, retry, backoff := netrules.CheckAll, time.Duration(0), retryMin
	for {
		l.absorb()
		// A change of routes does not wait for what the node's own network looks like.
		if check != netrules.Trust {
			l.readLocal()
		}
		if err := l.sync(ctx, check); err != nil {
			retry, backoff = backoff, min(2*backoff, retryMax)
		} else {
			retry, backoff = 0, retryMin
		}
		check = netrules.Trust
		select {
		case <-ctx.Done():
			return nil
		case <-l.feed.signal:
		case <-l.backend.Disturbed():
			if err := repairs.Wait(ctx); err != nil || !sleep(ctx, settle) {
				return nil
			}
		case <-tick.C:
			check = l.dueCheck()
		case <-after(retry):
			check = netrules.CheckAll
		}
	}
}

// after is a channel that never fires for 0.
func after(d time.Duration) <-chan time.Time {
	if d == 0 {
		return nil
	}
	return time.After(d)
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (l *loop) dueCheck() netrules.Check {
	l.report.checkHost(l.model)
	if l.model.Len() <= cheapRoutes || time.Since(l.lastDeep) >= deepCheckEvery {
		return netrules.CheckAll
	}
	return netrules.CheckRules
}

// absorb brings changed objects into the model.
func (l *loop) absorb() {
	for key, obj := range l.feed.take() {
		switch key.kind {
		case kindSlice:
			l.absorbSlice(key, obj)
		case kindTargets:
			if key.name == v1alpha1.TargetsName {
				l.absorbTargets(key, obj)
			}
		case kindNode:
			l.report.seen(key.name, obj)
		}
	}
	l.report.invalidObjects(errJoin(l.invalid))
}

func (l *loop) absorbSlice(key feedKey, obj client.Object) {
	slice, ok := obj.(*v1alpha1.EdgeRouteSlice)
	if !ok {
		l.model.DeleteSlice(key.name)
		l.forget(key)
		return
	}
	l.noteObject(key, obj, l.model.SetSlice(slice.Name, slice.Routes))
}

func (l *loop) absorbTargets(key feedKey, obj client.Object) {
	targets, ok := obj.(*v1alpha1.EdgeRouteTargets)
	if !ok {
		l.uninstall = false
		l.forget(key)
		_ = l.model.SetTargets(nil) // no object cannot be invalid
		return
	}
	l.uninstall = targets.Annotations[v1alpha1.AnnotationUninstall] == "true"
	l.noteObject(key, obj, l.model.SetTargets(targets))
}

func (l *loop) forget(key feedKey) {
	delete(l.invalid, key)
	delete(l.generations, key.name)
}

// noteObject remembers the generation, the errors and the age of a change.
func (l *loop) noteObject(key feedKey, obj client.Object, err error) {
	known, had := l.generations[key.name]
	l.generations[key.name] = obj.GetGeneration()
	delete(l.invalid, key)
	if err != nil {
		l.invalid[key] = err
		l.log.Warn("part of a route object is not usable and was left out", "object", key.name, "error", err)
	}
	if at, perr := time.Parse(time.RFC3339Nano, obj.GetAnnotations()[v1alpha1.AnnotationChangedAt]); perr == nil && had && known != obj.GetGeneration() {
		l.changedAt = append(l.changedAt, at)
	}
}

func (l *loop) readLocal() {
	addrs, err := l.local()
	if err != nil {
		l.log.Warn("cannot read this node's addresses", "error", err)
		return
	}
	l.model.SetLocal(addrs)
	l.report.addresses(addrs)
}

// sync makes the kernel hold the model.
func (l *loop) sync(ctx context.Context, check netrules.Check) error {
	if l.uninstall {
		return l.remove(ctx)
	}
	l.removed = false
	start := time.Now()
	plan := l.model.Plan()
	res, err := l.backend.Apply(ctx, plan, check)
	l.metrics.synced(time.Since(start), plan.Count, res, err)
	if err != nil {
		l.log.Error("kernel not updated", "error", err)
		l.report.failed(err)
		return err
	}
	l.model.Commit()
	if check == netrules.CheckAll {
		l.lastDeep = start
	}
	for _, at := range l.changedAt {
		l.metrics.lag(time.Since(at))
	}
	l.changedAt = nil
	l.announce(plan, res, time.Since(start))
	return nil
}

// announce tells the other parts about an update. What was redirected before the
// operator started may contradict the routes, so the first purge looks at all.
func (l *loop) announce(plan netrules.Plan, res netrules.Result, took time.Duration) {
	first := !l.started
	l.started = true
	if res.Drift {
		l.log.Warn("somebody changed our rules; repaired", "backend", l.backend.Name(), "took", took)
	} else if res.Written {
		l.log.Debug("kernel updated", "routes", plan.Count, "moves", len(plan.Moves), "took", took)
	}
	if first {
		l.log.Info("kernel holds the routes", "backend", l.backend.Name(), "routes", plan.Count, "written", res.Written, "took", took)
		l.report.checkHost(l.model)
		go returnMemory()
	}
	if first || res.Written {
		l.purger.request(plan, first || res.Everything || res.Drift)
	}
	l.report.applied(l.backend.Name(), v1alpha1.ObservedHash(l.generations), plan, res, l.model.GuardKnown())
}

// remove takes everything out of the kernel, once, on behalf of an uninstall.
func (l *loop) remove(ctx context.Context) error {
	if l.removed {
		return nil
	}
	addrs, err := l.backend.Cleanup(ctx)
	var unseen unseenError
	if errors.As(err, &unseen) {
		// To try again, as for another error, would only keep the uninstall waiting.
		l.log.Warn("rules that this operator made with another backend may remain; iptables-operator --cleanup with the capability NET_RAW removes them", "error", unseen)
		err = nil
	}
	if err == nil {
		_, err = conntrack.PurgeRedirected(l.purger.netNS, addrs)
	}
	if err != nil {
		l.log.Error("rules not removed", "error", err)
		l.report.failed(err)
		return err
	}
	l.removed = true
	l.log.Info("removed all rules, as the uninstall asked", "routes", len(addrs))
	l.report.gone(l.backend.Name())
	return nil
}

// errJoin joins the errors of objects, in order of name, for the report.
func errJoin(errs map[feedKey]error) error {
	keys := slices.SortedFunc(maps.Keys(errs), func(a, b feedKey) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	var all []error
	for _, key := range keys {
		all = append(all, errs[key])
	}
	return errors.Join(all...)
}
