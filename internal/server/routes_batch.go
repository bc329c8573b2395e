package server

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/batch"
)

const (
	// batchLimit bounds the creation of a whole list.
	batchLimit = 2 * time.Minute
	// createsAtOnce spares the cluster.
	createsAtOnce = 8
)

// BatchRequest is a list of devices and what they have in common.
type BatchRequest struct {
	Format string `json:"format" enum:"csv,yaml"`
	List   string `json:"list" maxLength:"1048576" doc:"CSV with a header line, or a YAML list: nodeName, nodeIP, arch, labels, runtimeEndpoint, cgroupDriver"`
	// Base holds what the devices leave out; its nodeName and nodeIP do not count.
	Base JoinRequest `json:"base"`
}

// BatchItem is one device of a list: its enrollment, or why there is none.
type BatchItem struct {
	NodeName   string         `json:"nodeName"`
	Enrollment *NewEnrollment `json:"enrollment,omitempty"`
	Error      *Error         `json:"error,omitempty"`
}

type createBatchInput struct {
	ClusterPath
	Body BatchRequest
}

func (s *Server) batchRoutes() {
	o := op(http.MethodPost, pathCluster+"/enrollment-batches", "createEnrollments", "Begin to join many edge nodes")
	o.Description = "A list with a fault creates nothing. What the cluster refuses of a good one is in the answer, device by device."
	huma.Register(s.api, o, s.createBatch)
}

func (s *Server) createBatch(ctx context.Context, in *createBatchInput) (*Body[[]BatchItem], error) {
	list, err := batch.Parse(in.Body.Format, in.Body.List)
	if err != nil {
		return nil, invalid("list", err.Error(), "correct the list and try again")
	}
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, batchLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	taken := enroll.TakenAddresses(ctx, c.objects)
	for _, d := range list.Devices {
		if a, err := netip.ParseAddr(d.NodeIP); err == nil {
			taken[a.Unmap()] = true
		}
	}
	requests, problems := list.Requests(in.Body.Base.request(), func() (string, error) {
		a, err := enroll.SuggestAddress(enroll.AddressPool, func(a netip.Addr) bool { return taken[a] })
		if err != nil {
			return "", err
		}
		taken[a] = true
		return a.String(), nil
	})
	if len(problems) > 0 {
		return nil, enrollError(problems)
	}
	items := make([]BatchItem, len(requests))
	// The first one alone: who may not create it is told so at once.
	items[0] = s.createOne(ctx, c, requests[0])
	if refused := items[0].Error; refused != nil && refused.status == http.StatusForbidden {
		return nil, refused
	}
	var group errgroup.Group
	group.SetLimit(createsAtOnce)
	for i := 1; i < len(requests); i++ {
		group.Go(func() error {
			items[i] = s.createOne(ctx, c, requests[i])
			return nil
		})
	}
	_ = group.Wait() // every item carries its own error
	return &Body[[]BatchItem]{items}, nil
}

func (s *Server) createOne(ctx context.Context, c *clusterClients, r enroll.Request) BatchItem {
	out := BatchItem{NodeName: r.NodeName}
	made, err := s.enrolDevice(ctx, c, r)
	if err == nil {
		out.Enrollment = made
		return out
	}
	if !errors.As(kubeError(err), &out.Error) {
		out.Error = fail(http.StatusBadGateway, "Failed", err.Error(), "try this device again")
	}
	return out
}
