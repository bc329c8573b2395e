package server

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/joinhttp"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

// memberPatience bounds how long one member is asked whether it knows a code.
const memberPatience = 5 * time.Second

// memberSeparator is between a member's name, escaped, and its status token. Neither
// of the two contains it.
const memberSeparator = "@"

// Redeemers redeem the codes of all clusters: a device knows a code and this
// console's address, not which cluster it joins.
type Redeemers struct {
	host    *enroll.Redeemer
	members memberClusters

	mu   sync.Mutex
	made map[string]madeRedeemer
}

var _ joinhttp.Redeemer = (*Redeemers)(nil)

// memberClusters is what Redeemers need of clusters.Clusters.
type memberClusters interface {
	List() []clusters.Cluster
	ForRedeemer(name string) (*rest.Config, error)
}

// madeRedeemer was made with one revision of the stored credentials.
type madeRedeemer struct {
	*enroll.Redeemer
	revision string
}

// NewRedeemers asks host first, whose ServiceAccount is the console's own, and then
// every other cluster of all.
func NewRedeemers(host *enroll.Redeemer, all memberClusters) *Redeemers {
	return &Redeemers{host: host, members: all, made: map[string]madeRedeemer{}}
}

// Lookup implements joinhttp.Redeemer.
func (r *Redeemers) Lookup(ctx context.Context, code string) (*v1alpha1.EdgeEnrollmentSpec, error) {
	o, err := r.owner(ctx, code)
	if err != nil {
		return nil, err
	}
	return o.Lookup(ctx, code)
}

// Redeem implements joinhttp.Redeemer. The status token names the member.
func (r *Redeemers) Redeem(ctx context.Context, code string, csrPEM []byte) (*enroll.Bundle, error) {
	o, err := r.owner(ctx, code)
	if err != nil {
		return nil, err
	}
	b, err := o.Redeem(ctx, code, csrPEM)
	if err == nil && o.member != "" {
		b.StatusToken = url.QueryEscape(o.member) + memberSeparator + b.StatusToken
	}
	return b, err
}

// Report implements joinhttp.Redeemer.
func (r *Redeemers) Report(ctx context.Context, report wire.ReportRequest) error {
	o, err := r.owner(ctx, report.Code)
	if err != nil {
		return err
	}
	return o.Report(ctx, report)
}

// Status implements joinhttp.Redeemer.
func (r *Redeemers) Status(ctx context.Context, statusToken string) (*v1alpha1.EdgeEnrollment, error) {
	escaped, token, ofMember := strings.Cut(statusToken, memberSeparator)
	if !ofMember {
		return r.host.Status(ctx, statusToken)
	}
	name, err := url.QueryUnescape(escaped)
	if err != nil {
		return nil, enroll.ErrStatusToken
	}
	for _, c := range r.members.List() {
		if c.Name == name && !c.Host {
			m, err := r.member(c)
			if err != nil {
				return nil, err
			}
			return m.Status(ctx, token)
		}
	}
	return nil, enroll.ErrStatusToken
}

// owner is a redeemer of the cluster that knows a code.
type owner struct {
	*enroll.Redeemer
	// member is the cluster's name, empty for the host.
	member string
}

// owner fails with enroll.ErrCodeUnknown when every cluster says so. A cluster that
// cannot be asked delays no code of another, and makes an unknown one an error.
func (r *Redeemers) owner(ctx context.Context, code string) (owner, error) {
	err := r.host.Knows(ctx, code)
	if !errors.Is(err, enroll.ErrCodeUnknown) {
		return owner{Redeemer: r.host}, err
	}
	ctx, cancel := context.WithTimeout(ctx, memberPatience)
	defer cancel()
	type answer struct {
		owner
		err error
	}
	asked, answers := 0, make(chan answer)
	for _, c := range r.members.List() {
		if c.Host {
			continue
		}
		asked++
		go func() {
			m, err := r.member(c)
			if err == nil {
				err = m.Knows(ctx, code)
			}
			select {
			case answers <- answer{owner{m, c.Name}, err}:
			case <-ctx.Done():
			}
		}()
	}
	for range asked {
		select {
		case <-ctx.Done():
			return owner{}, fmt.Errorf("asking every cluster for a join code: %w", ctx.Err())
		case a := <-answers:
			switch {
			case a.err == nil:
				return a.owner, nil
			case errors.Is(a.err, clusters.ErrRefused), errors.Is(a.err, enroll.ErrCodeUnknown):
				// A cluster that is not used handed no code out either.
			default:
				err = fmt.Errorf("cluster %s: %w", a.member, a.err)
			}
		}
	}
	return owner{}, err
}

// member makes a cluster's redeemer at first use, and anew when the stored
// credentials have changed.
func (r *Redeemers) member(c clusters.Cluster) (*enroll.Redeemer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if made, ok := r.made[c.Name]; ok && made.revision == c.Revision {
		return made.Redeemer, nil
	}
	config, err := r.members.ForRedeemer(c.Name)
	if err != nil {
		return nil, err
	}
	// Discovery takes no context.
	config.Timeout = memberPatience
	objects, err := NewObjectClient(config)
	if err != nil {
		return nil, err
	}
	made := madeRedeemer{enroll.NewRedeemer(objects, time.Now), c.Revision}
	r.made[c.Name] = made
	return made.Redeemer, nil
}
