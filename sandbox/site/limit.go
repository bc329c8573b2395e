package site

import (
	"errors"
	"fmt"

	"github.com/edgeway-io/edgeway/sandbox/hosts"
)

// LimitChange is what `sandbox limit` was asked for.
type LimitChange struct {
	// Memory and CPU as a person writes them; empty keeps the limit in force.
	Memory, CPU string
	// Off removes both.
	Off bool
}

// Limit changes the limits of a host and gives those that are then in force.
func (s Site) Limit(name string, c LimitChange) (hosts.Limits, error) {
	h, ok := s.Host(name)
	if !ok {
		return hosts.Limits{}, unknownHost(name)
	}
	if _, err := c.on(hosts.Limits{}); err != nil {
		return hosts.Limits{}, err
	}
	if _, err := h.Pid(); err != nil {
		return hosts.Limits{}, fmt.Errorf("limit %s: %w; run make up first", name, err)
	}
	inForce, err := h.Limits()
	if err != nil || c == (LimitChange{}) {
		return inForce, err
	}
	wanted, err := c.on(inForce)
	if err != nil {
		return inForce, err
	}
	if err := h.SetLimits(wanted); err != nil {
		return inForce, fmt.Errorf("limit %s: %w", name, err)
	}
	return wanted, nil
}

// on gives the limits after the change.
func (c LimitChange) on(l hosts.Limits) (hosts.Limits, error) {
	if c.Off {
		if c.Memory != "" || c.CPU != "" {
			return l, errors.New("off removes both limits: give it without --memory and --cpu")
		}
		return hosts.Limits{}, nil
	}
	var err error
	if c.Memory != "" {
		if l.Memory, err = hosts.ParseMemory(c.Memory); err != nil {
			return l, err
		}
	}
	if c.CPU != "" {
		if l.CPU, err = hosts.ParseCPU(c.CPU); err != nil {
			return l, err
		}
	}
	return l, nil
}
