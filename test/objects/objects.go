// Package objects takes pictures of a cluster: everything that its API server holds,
// without what differs between two clusters that are alike.
package objects

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// Picture maps "resource.group namespace/name" to the object in YAML.
type Picture map[string]string

// passing are resources that others write all the time, or name at random.
var passing = map[string]bool{
	"events": true, "pods": true, "endpoints": true, "endpointslices": true, "componentstatuses": true, "ipaddresses": true,
	"leases": true,
}

// Take lists every resource. Leases are left out but for those in namespace kubeedge.
func Take(ctx context.Context, config *rest.Config) (Picture, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	lists, err := disco.ServerPreferredResources()
	// An aggregated API that does not answer has no objects of its own here.
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, fmt.Errorf("discover resources: %w", err)
	}
	out := Picture{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("group %s: %w", list.GroupVersion, err)
		}
		if gv.Group == "metrics.k8s.io" || gv.Group == "samples.edgeway.io" {
			continue
		}
		for _, resource := range list.APIResources {
			if !slices.Contains(resource.Verbs, "list") {
				continue
			}
			if err := out.add(ctx, dyn, gv.WithResource(resource.Name)); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (p Picture) add(ctx context.Context, dyn dynamic.Interface, resource schema.GroupVersionResource) error {
	client := dynamic.ResourceInterface(dyn.Resource(resource))
	if passing[resource.Resource] {
		if resource.Resource != "leases" {
			return nil
		}
		client = dyn.Resource(resource).Namespace("kubeedge")
	}
	found, err := client.List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) { // a CRD that went in between
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", resource, err)
	}
	for _, object := range found.Items {
		// The API server makes and removes these by itself, seconds after a CRD.
		if object.GetLabels()["kube-aggregator.kubernetes.io/automanaged"] != "" {
			continue
		}
		text, err := text(object)
		if err != nil {
			return err
		}
		p[resource.GroupResource().String()+" "+object.GetNamespace()+"/"+revisionless(object.GetName())] = text
	}
	return nil
}

// revision at the end of the name of a Secret that holds a revision of a Helm release.
var revision = regexp.MustCompile(`^(sh\.helm\.release\.v1\..*\.v)\d+$`)

func revisionless(name string) string { return revision.ReplaceAllString(name, "${1}N") }

// text leaves out what the API server and controllers fill in, and values of Secrets.
func text(object unstructured.Unstructured) (string, error) {
	o := object.DeepCopy().Object
	delete(o, "status")
	drop(o, "metadata", "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "ownerReferences", "deletionGracePeriodSeconds")
	switch object.GetKind() {
	case "Secret":
		hideValues(o)
		if strings.HasPrefix(object.GetName(), "sh.helm.release.v1.") {
			drop(o, "metadata", "name")
			delete(o["metadata"].(map[string]any)["labels"].(map[string]any), "version")
			delete(o["metadata"].(map[string]any)["labels"].(map[string]any), "modifiedAt")
			delete(o["metadata"].(map[string]any)["labels"].(map[string]any), "createdAt")
		}
	case "ConfigMap":
		drop(o, "data", "revision") // of the settings
	case "Service":
		drop(o, "spec", "clusterIP", "clusterIPs", "healthCheckNodePort")
		if t, _, _ := unstructured.NestedString(o, "spec", "type"); t == "LoadBalancer" {
			chosenPorts(o)
		}
	}
	raw, err := yaml.Marshal(o)
	if err != nil {
		return "", fmt.Errorf("encode %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return string(raw), nil
}

func drop(o map[string]any, at string, keys ...string) {
	m, _ := o[at].(map[string]any)
	for _, key := range keys {
		delete(m, key)
	}
}

func hideValues(o map[string]any) {
	data, _ := o["data"].(map[string]any)
	for key := range data {
		data[key] = "hidden"
	}
}

// chosenPorts leaves out node ports that the API server chose.
func chosenPorts(o map[string]any) {
	ports, _, _ := unstructured.NestedSlice(o, "spec", "ports")
	for _, port := range ports {
		if m, ok := port.(map[string]any); ok {
			delete(m, "nodePort")
		}
	}
	_ = unstructured.SetNestedSlice(o, ports, "spec", "ports") // spec is a map: its type was read from it
}
