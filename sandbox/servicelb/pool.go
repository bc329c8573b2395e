package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// pool is the range of addresses that may be given away.
type pool struct{ netip.Prefix }

func parsePool(text string) (pool, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() || p != p.Masked() {
		return pool{}, fmt.Errorf("--pool %q: give an IPv4 range such as 198.18.0.128/28", text)
	}
	return pool{p}, nil
}

// balanced tells whether this program gives the Service an address.
func balanced(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeLoadBalancer && s.Spec.LoadBalancerClass == nil && s.DeletionTimestamp.IsZero()
}

// held is the pool's address that a Service's status names, if any.
func (p pool) held(s *corev1.Service) (netip.Addr, bool) {
	for _, ingress := range s.Status.LoadBalancer.Ingress {
		if ip, err := netip.ParseAddr(ingress.IP); err == nil && p.Contains(ip) {
			return ip, true
		}
	}
	return netip.Addr{}, false
}

// assign gives every balanced Service an address of its own: the one it has, the
// one it asks for, or the lowest that is free. Older Services choose first. Those
// for whom none is left are in the second result.
func (p pool) assign(services []*corev1.Service) (map[*corev1.Service]netip.Addr, []*corev1.Service) {
	services = slices.DeleteFunc(slices.Clone(services), func(s *corev1.Service) bool { return !balanced(s) })
	slices.SortFunc(services, func(a, b *corev1.Service) int {
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	given, taken := map[*corev1.Service]netip.Addr{}, map[netip.Addr]bool{}
	give := func(s *corev1.Service, ip netip.Addr) {
		if _, has := given[s]; !has && p.Contains(ip) && !taken[ip] {
			given[s], taken[ip] = ip, true
		}
	}
	for _, s := range services {
		if ip, ok := p.held(s); ok {
			give(s, ip)
		}
	}
	var without []*corev1.Service
	for _, s := range services {
		if asked, err := netip.ParseAddr(s.Spec.LoadBalancerIP); err == nil {
			give(s, asked)
		} else {
			for ip := p.Addr(); p.Contains(ip) && !hasKey(given, s); ip = ip.Next() {
				give(s, ip)
			}
		}
		if !hasKey(given, s) {
			without = append(without, s)
		}
	}
	return given, without
}

func hasKey(m map[*corev1.Service]netip.Addr, s *corev1.Service) bool {
	_, ok := m[s]
	return ok
}
