package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// placeholder stands in while the address is not known; it is documentation's own.
const placeholder = "192.0.2.1"

// needsAddress: CloudCore's certificate carries its address, so in LoadBalancer
// mode the Service has to have one before CloudCore starts.
func needsAddress(s settings.Settings) bool {
	return s.ServiceType == settings.LoadBalancer && len(s.CloudHub.AdvertiseAddress) == 0
}

// ensureAddress makes the Service as the release is going to have it, waits for
// its address and puts that into the plan.
func (r *Runtime) ensureAddress(ctx context.Context, plan *Plan, say func(string)) error {
	if err := r.applyService(ctx, plan.Settings); err != nil {
		return err
	}
	say("waiting for the load balancer's address")
	var addresses []string
	err := r.poll(ctx, r.timeouts.Address, func(ctx context.Context) (bool, error) {
		service, err := r.kube.CoreV1().Services(Namespace).Get(ctx, serviceCloudCore, metav1.GetOptions{})
		if err != nil {
			return false, fmt.Errorf("read Service %s: %w", serviceCloudCore, err)
		}
		addresses = loadBalancerAddresses(service)
		return len(addresses) > 0, nil
	})
	if errors.Is(err, errTimeout) && !passing(err) {
		return fmt.Errorf("%w for Service kubeedge/cloudcore: check the cluster's load balancer controller, or set cloudHub.advertiseAddress", ErrNoAddress)
	}
	if err != nil {
		return err
	}
	before := plan.Settings.Cluster.AdvertiseAddress
	plan.Settings.Cluster.AdvertiseAddress = addresses
	if plan.Action == ActionNone && strings.Join(before, ",") != strings.Join(addresses, ",") {
		plan.Action = ActionUpgrade
	}
	say("edge nodes reach CloudCore at " + strings.Join(addresses, ", "))
	return nil
}

func (r *Runtime) applyService(ctx context.Context, s settings.Settings) error {
	service, err := r.renderService(s)
	if err != nil {
		return err
	}
	data, err := json.Marshal(service)
	if err != nil {
		return fmt.Errorf("encode Service: %w", err)
	}
	force := true
	_, err = r.kube.CoreV1().Services(Namespace).Patch(ctx, service.Name, types.ApplyPatchType, data,
		metav1.PatchOptions{FieldManager: "helm", Force: &force})
	if err != nil {
		return fmt.Errorf("apply Service %s: %w", service.Name, err)
	}
	return nil
}

// renderService takes the Service out of the rendered chart and gives it the
// marks by which Helm adopts it.
func (r *Runtime) renderService(s settings.Settings) (*corev1.Service, error) {
	s.Cluster.AdvertiseAddress = []string{placeholder}
	manifest, err := render(r.chart, s, "v"+oldest)
	if err != nil {
		return nil, err
	}
	for _, document := range strings.Split(manifest, "\n---\n") {
		service := &corev1.Service{}
		if err := yaml.Unmarshal([]byte(document), service); err != nil || service.Kind != "Service" || service.Name != serviceCloudCore {
			continue
		}
		service.Annotations = map[string]string{
			"meta.helm.sh/release-name": ReleaseName, "meta.helm.sh/release-namespace": Namespace,
		}
		return service, nil
	}
	return nil, errcat.Errorf("ChartBroken", "the chart renders no Service %s", serviceCloudCore)
}
