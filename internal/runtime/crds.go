package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

var crdResource = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// crdLabel marks CRDs that a Runtime made, which it may therefore remove.
const crdLabel = "edgeway.io/crd"

// chartCRDs are the CRDs of the chart. Helm would install them once and never
// update them, so they are applied here before each change.
func (r *Runtime) chartCRDs() ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for _, crd := range r.chart.CRDObjects() {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(crd.File.Data, &object.Object); err != nil {
			return nil, fmt.Errorf("read %s: %w", crd.Name, err)
		}
		out = append(out, object)
	}
	return out, nil
}

// applyCRDs writes the chart's CRDs and waits until the apiserver serves them.
// One that somebody else made is updated but not marked as ours.
func (r *Runtime) applyCRDs(ctx context.Context) (int, error) {
	crds, err := r.chartCRDs()
	if err != nil {
		return 0, err
	}
	client := r.dynamic.Resource(crdResource)
	for _, crd := range crds {
		current, err := client.Get(ctx, crd.GetName(), metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return 0, fmt.Errorf("read CRD %s: %w", crd.GetName(), err)
		}
		if apierrors.IsNotFound(err) || current.GetLabels()[crdLabel] != "" {
			crd.SetLabels(map[string]string{crdLabel: "true"})
		}
		data, err := json.Marshal(crd)
		if err != nil {
			return 0, fmt.Errorf("encode CRD %s: %w", crd.GetName(), err)
		}
		force := true
		_, err = client.Patch(ctx, crd.GetName(), types.ApplyPatchType, data, metav1.PatchOptions{FieldManager: "edgeway", Force: &force})
		if err != nil {
			return 0, fmt.Errorf("apply CRD %s: %w", crd.GetName(), err)
		}
	}
	for _, crd := range crds {
		if err := r.waitEstablished(ctx, crd.GetName()); err != nil {
			return 0, err
		}
	}
	return len(crds), nil
}

func (r *Runtime) waitEstablished(ctx context.Context, name string) error {
	return r.poll(ctx, r.timeouts.Gone, func(ctx context.Context) (bool, error) {
		object, err := r.dynamic.Resource(crdResource).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, fmt.Errorf("read CRD %s: %w", name, err)
		}
		crd := apiextensionsv1.CustomResourceDefinition{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &crd); err != nil {
			return false, fmt.Errorf("read CRD %s: %w", name, err)
		}
		for _, c := range crd.Status.Conditions {
			if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
}

// removeCRDs deletes the CRDs that are ours and that have no objects.
func (r *Runtime) removeCRDs(ctx context.Context) error {
	crds, err := r.chartCRDs()
	if err != nil {
		return err
	}
	var errs []error
	for _, crd := range crds {
		errs = append(errs, r.removeCRD(ctx, crd.GetName()))
	}
	return errors.Join(errs...)
}

func (r *Runtime) removeCRD(ctx context.Context, name string) error {
	client := r.dynamic.Resource(crdResource)
	object, err := client.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read CRD %s: %w", name, err)
	}
	if object.GetLabels()[crdLabel] == "" {
		return nil
	}
	resource, err := storedResource(object)
	if err != nil {
		return err
	}
	data, err := r.dynamic.Resource(resource).List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return fmt.Errorf("look for objects of CRD %s: %w", name, err)
	}
	if len(data.Items) > 0 {
		r.log.Info("CRD is kept, because it has objects", "crd", name)
		return nil
	}
	if err := client.Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete CRD %s: %w", name, err)
	}
	return nil
}

// storedResource is the group, storage version and plural of a CRD.
func storedResource(object *unstructured.Unstructured) (schema.GroupVersionResource, error) {
	crd := apiextensionsv1.CustomResourceDefinition{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &crd); err != nil {
		return schema.GroupVersionResource{}, fmt.Errorf("read CRD %s: %w", object.GetName(), err)
	}
	for _, v := range crd.Spec.Versions {
		if v.Storage {
			return schema.GroupVersionResource{Group: crd.Spec.Group, Version: v.Name, Resource: crd.Spec.Names.Plural}, nil
		}
	}
	return schema.GroupVersionResource{}, errcat.Errorf("Failed", "CRD %s stores no version", object.GetName())
}
