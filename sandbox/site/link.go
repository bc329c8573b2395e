package site

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/edgeway-io/edgeway/sandbox/badlink"
	"github.com/edgeway-io/edgeway/sandbox/cluster"
	"github.com/edgeway-io/edgeway/sandbox/hosts"
)

const (
	// badLinkService relays the frames of an edge host on its router.
	badLinkService = "badlink"
	badLinkTAP     = "tap0"
	badLinkBridge  = "modem0"
)

// SetLink cuts or restores the cable of an edge host.
func (s Site) SetLink(ctx context.Context, name string, up bool) error {
	e, err := s.edgeHost(name)
	if err != nil {
		return err
	}
	return e.Host.SetLink(ctx, e.Router, up)
}

// Degrade makes the cable of an edge host slow, late and lossy, until Mend.
func (s Site) Degrade(ctx context.Context, name string, q badlink.Quality) error {
	if err := q.Validate(); err != nil {
		return err
	}
	if err := s.Mend(ctx, name); err != nil {
		return err
	}
	e, err := s.edgeHost(name)
	if err != nil {
		return err
	}
	port := e.Host.Port()
	// Frames leave the host complete, no larger than the link takes and with checksums.
	if _, err := e.Host.Run(ctx, "ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off"); err != nil {
		return err
	}
	// On a bridge of its own, which answers no ARP request for the router's address, the
	// router's kernel leaves the frames alone.
	for _, args := range [][]string{
		{"link", "add", badLinkBridge, "address", "02:00:00:00:00:02", "type", "bridge"},
		{"link", "set", badLinkBridge, "arp", "off", "up"},
		{"link", "set", port, "master", badLinkBridge},
	} {
		if _, err := e.Router.Run(ctx, append([]string{"ip"}, args...)...); err != nil {
			return err
		}
	}
	err = e.Router.StartService(ctx, s.self(), hosts.Service{Name: badLinkService, Args: []string{
		s.self(), "relay", port, badLinkTAP, "--delay", q.Delay.String(),
		"--loss", strconv.FormatFloat(q.Loss, 'f', -1, 64), "--rate", strconv.Itoa(q.Rate),
	}})
	if err != nil {
		return err
	}
	return cluster.Until(ctx, 10*time.Second, func(ctx context.Context) error {
		_, err := e.Router.Run(ctx, "ip", "link", "set", badLinkTAP, "master", edgeBridge, "up")
		return err
	})
}

// Mend gives an edge host its good cable back.
func (s Site) Mend(ctx context.Context, name string) error {
	e, err := s.edgeHost(name)
	if err != nil {
		return err
	}
	if err := e.Router.StopService(ctx, badLinkService); err != nil {
		return err
	}
	if _, err = e.Router.Run(ctx, "ip", "link", "set", e.Host.Port(), "master", edgeBridge); err != nil {
		return err
	}
	if _, err := e.Router.Run(ctx, "ip", "link", "show", badLinkBridge); err != nil {
		return nil // the cable was good
	}
	_, err = e.Router.Run(ctx, "ip", "link", "delete", badLinkBridge)
	return err
}

func (s Site) edgeHost(name string) (Edge, error) {
	for _, e := range s.Edges {
		if e.Host.Name == name {
			return e, nil
		}
	}
	return Edge{}, fmt.Errorf("edge host: %w", unknownHost(name))
}
