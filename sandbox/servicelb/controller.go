package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// again is how soon a failed round is repeated.
const again = time.Second

// announcer makes the cluster's entry answer for addresses.
type announcer interface {
	take(p pool, wanted map[netip.Addr]bool) error
}

// controller gives addresses to Services. Each round looks at all of them: there
// are few.
type controller struct {
	client   kubernetes.Interface
	services listers.ServiceLister
	informer cache.SharedIndexInformer
	pool     pool
	entry    announcer
	changed  chan struct{}
}

func newController(client kubernetes.Interface, p pool, entry announcer) *controller {
	services := informers.NewSharedInformerFactory(client, 0).Core().V1().Services()
	return &controller{client: client, services: services.Lister(), informer: services.Informer(), pool: p, entry: entry,
		changed: make(chan struct{}, 1)}
}

// run works until ctx ends. The addresses stay: Services keep theirs over a restart.
func (c *controller) run(ctx context.Context) error {
	_, err := c.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { c.wake() },
		UpdateFunc: func(any, any) { c.wake() },
		DeleteFunc: func(any) { c.wake() },
	})
	if err != nil {
		return err
	}
	go c.informer.RunWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), c.informer.HasSynced) {
		return nil
	}
	c.wake()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.changed:
		}
		if err := c.round(ctx); err != nil {
			log.Print(err)
			time.AfterFunc(again, c.wake)
		}
	}
}

func (c *controller) wake() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// round makes addresses and statuses what they should be.
func (c *controller) round(ctx context.Context) error {
	services, err := c.services.List(labels.Everything())
	if err != nil {
		return err
	}
	given, without := c.pool.assign(services)
	wanted := map[netip.Addr]bool{}
	for _, ip := range given {
		wanted[ip] = true
	}
	// The entry answers before anybody is told the address.
	if err := c.entry.take(c.pool, wanted); err != nil {
		return err
	}
	var failed []error
	for _, s := range services {
		ip, has := given[s]
		if held, ok := c.pool.held(s); ok == has && held == ip {
			continue
		}
		if err := c.tell(ctx, s, ip); err != nil {
			failed = append(failed, err)
		}
	}
	for _, s := range without {
		failed = append(failed, fmt.Errorf("service %s/%s: no address is free in %s, or not the one that it asks for", s.Namespace, s.Name, c.pool))
	}
	return errors.Join(failed...)
}

// tell writes the address into the Service's status; none when ip is not valid.
func (c *controller) tell(ctx context.Context, s *corev1.Service, ip netip.Addr) error {
	s = s.DeepCopy()
	s.Status.LoadBalancer = corev1.LoadBalancerStatus{}
	if ip.IsValid() {
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: ip.String()}}
	}
	_, err := c.client.CoreV1().Services(s.Namespace).UpdateStatus(ctx, s, metav1.UpdateOptions{})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err): // its next event is on the way
		return nil
	case err != nil:
		return fmt.Errorf("service %s/%s: %w", s.Namespace, s.Name, err)
	}
	log.Printf("service %s/%s has addresses %v", s.Namespace, s.Name, s.Status.LoadBalancer.Ingress)
	return nil
}
