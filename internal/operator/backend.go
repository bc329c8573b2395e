package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/ipt"
	"github.com/edgeway-io/edgeway/internal/netrules/nft"
)

// openBackend connects to the backend that name stands for: with auto, nftables
// when the kernel can do all that is needed, else iptables.
func openBackend(ctx context.Context, name string, netNS int, log *slog.Logger) (netrules.Backend, error) {
	var nftErr, iptErr error
	if name != BackendIPTables {
		var b *nft.Backend
		if b, nftErr = openNFT(netNS, log); nftErr == nil {
			return &sole{Backend: b, others: othersOf(netNS, "", false), log: log}, nil
		}
	}
	if name != BackendNFTables {
		var b *ipt.Backend
		if b, iptErr = ipt.Open(ctx, ipt.Options{NetNS: netNS}, log); iptErr == nil {
			if nftErr != nil {
				log.InfoContext(ctx, "routes go into iptables: nftables is not usable", "error", nftErr)
			}
			return &sole{Backend: b, others: othersOf(netNS, b.Variant(), b.HasSets()), log: log}, nil
		}
	}
	return nil, fmt.Errorf("backend %s: %w", name, errors.Join(nftErr, iptErr))
}

func openNFT(netNS int, log *slog.Logger) (*nft.Backend, error) {
	b, err := nft.Open(netNS, log)
	if err != nil {
		return nil, err
	}
	if err := b.Try(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// other removes what an earlier run left in a backend that is not used now, and
// returns the edge addresses that were there.
type other struct {
	name   string
	remove func(context.Context) ([]netip.Addr, error)
}

// othersOf lists the backends beside an iptables variant, or beside nftables when
// that is empty. IP sets belong to both variants.
func othersOf(netNS int, used ipt.Variant, usesSets bool) []other {
	var out []other
	if used != "" {
		out = append(out, other{nft.Name, func(ctx context.Context) ([]netip.Addr, error) { return removeNFT(ctx, netNS) }})
	}
	for _, v := range []ipt.Variant{ipt.NFT, ipt.Legacy} {
		if v != used {
			out = append(out, other{"iptables-" + string(v), func(ctx context.Context) ([]netip.Addr, error) {
				return ipt.RemoveRules(ctx, v, netNS)
			}})
		}
	}
	if !usesSets {
		out = append(out, other{"IP sets", func(context.Context) ([]netip.Addr, error) { return ipt.RemoveSets(netNS) }})
	}
	return out
}

// removeNFT finds nothing to remove where nf_tables is not usable.
func removeNFT(ctx context.Context, netNS int) ([]netip.Addr, error) {
	b, err := nft.Open(netNS, slog.New(slog.DiscardHandler))
	if errors.Is(err, nft.ErrUnusable) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	addrs, err := b.Cleanup(ctx)
	return addrs, errors.Join(err, b.Close())
}

// sole is a backend that removes what earlier runs left in others, once its own
// rules are in place.
type sole struct {
	netrules.Backend
	others []other
	// tried and removed tell how far that is.
	tried, removed bool
	log            *slog.Logger

	mu sync.Mutex
	// left is the last failure to remove, nil once it succeeded.
	left error
}

// Apply implements netrules.Backend. A failure to remove old rules does not undo
// what was applied; it is tried again with the next thorough check.
func (s *sole) Apply(ctx context.Context, p netrules.Plan, c netrules.Check) (netrules.Result, error) {
	res, err := s.Backend.Apply(ctx, p, c)
	if err != nil || s.removed || s.tried && c != netrules.CheckAll {
		return res, err
	}
	addrs, rerr, unseen := s.removeOthers(ctx)
	rerr = errors.Join(rerr, unseen)
	if rerr != nil && !s.tried {
		s.log.WarnContext(ctx, "rules of an earlier run may remain in another backend", "error", rerr)
	}
	s.tried, s.removed = true, rerr == nil
	s.mu.Lock()
	s.left = rerr
	s.mu.Unlock()
	// What the other backend redirected follows the new routes once it is looked at.
	res.Everything = res.Everything || len(addrs) > 0
	return res, nil
}

// removeOthers ends with the sets, which rules of the others may use. A variant
// whose programs are not installed matters only where it has tables. unseen tells of
// variants that may not be looked into: there is nothing to try again.
func (s *sole) removeOthers(ctx context.Context) (all []netip.Addr, err, unseen error) {
	var errs, hidden []error
	for _, o := range s.others {
		addrs, err := o.remove(ctx)
		switch {
		case errors.Is(err, ipt.ErrPermission):
			hidden = append(hidden, fmt.Errorf("%s: %w", o.name, err))
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", o.name, err))
		case len(addrs) > 0:
			s.log.InfoContext(ctx, "removed rules of an earlier run", "backend", o.name, "routes", len(addrs))
		}
		all = append(all, addrs...)
	}
	return all, errors.Join(errs...), errors.Join(hidden...)
}

// remains tells why rules of an earlier run may remain beside those of this one.
func (s *sole) remains() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
}

// unseenError says that everything was removed that could be seen, and what could not.
type unseenError struct{ error }

func (e unseenError) Unwrap() error { return e.error }

// Cleanup implements netrules.Backend, for all backends.
func (s *sole) Cleanup(ctx context.Context) ([]netip.Addr, error) {
	addrs, err := s.Backend.Cleanup(ctx)
	s.tried, s.removed = false, false
	more, rerr, unseen := s.removeOthers(ctx)
	all := append(addrs, more...)
	if err := errors.Join(err, rerr); err != nil {
		return all, errors.Join(err, unseen)
	}
	if unseen != nil {
		return all, unseenError{unseen}
	}
	return all, nil
}
