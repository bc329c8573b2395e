package device

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/edgeway-io/edgeway/internal/edge/console"
	"github.com/edgeway-io/edgeway/internal/edge/journal"
	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/edge/service"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

// Status is how the device's node is.
type Status struct {
	NodeName string `json:"nodeName"`
	Server   string `json:"server"`
	// Complete is false for a join that was interrupted.
	Complete bool   `json:"complete"`
	Service  string `json:"service"`
	Running  bool   `json:"running"`
	// CertificateExpires is the zero time when there is no certificate.
	CertificateExpires time.Time `json:"certificateExpires,omitzero"`
	// Phase and Conditions are the cluster's view; Unreachable says why there is none.
	Phase       string           `json:"phase,omitempty"`
	Conditions  []wire.Condition `json:"conditions,omitempty"`
	Unreachable string           `json:"unreachable,omitempty"`
}

// Status looks at the device and asks the console.
func (d *Device) Status(ctx context.Context) (*Status, error) {
	j, err := d.load()
	if err != nil {
		return nil, err
	}
	s := &Status{NodeName: j.NodeName, Server: j.Server, Complete: j.Complete, Service: j.Service}
	if j.Service != "" {
		m, err := service.Named(j.Service, d.At)
		if err != nil {
			return nil, err
		}
		if s.Running, err = m.Running(ctx); err != nil {
			return nil, err
		}
	}
	s.CertificateExpires = expiry(d.At.At(paths.Cert))
	d.askConsole(ctx, j, s)
	return s, nil
}

func (d *Device) askConsole(ctx context.Context, j *journal.Journal, s *Status) {
	if j.Server == "" {
		s.Unreachable = "joined from an offline bundle: no console is known"
		return
	}
	client, err := console.New(j.Server, j.Pin)
	if err != nil {
		s.Unreachable = err.Error()
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	w, err := client.Status(ctx, j.StatusToken)
	if err != nil {
		s.Unreachable = err.Error()
		return
	}
	s.Phase, s.Conditions = w.Phase, w.Conditions
}

func expiry(name string) time.Time {
	raw, err := os.ReadFile(name)
	if err != nil {
		return time.Time{}
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return time.Time{}
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}
	}
	return cert.NotAfter
}

// Start starts EdgeCore of a device that has joined.
func (d *Device) Start(ctx context.Context) error {
	j, err := d.load()
	if err != nil {
		return err
	}
	m, err := service.Named(j.Service, d.At)
	if err != nil {
		return err
	}
	return m.Start(ctx)
}

// Logs writes the last lines of EdgeCore's output.
func (d *Device) Logs(ctx context.Context, w io.Writer, lines int) error {
	j, err := d.load()
	if err != nil {
		return err
	}
	m, err := service.Named(j.Service, d.At)
	if err != nil {
		return fmt.Errorf("EdgeCore has not been started by this join: %w", err)
	}
	return m.Log(ctx, w, service.Part{Lines: lines})
}
