package settings

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
)

// PodSelector names pods of one namespace.
type PodSelector struct {
	Namespace string
	Selector  labels.Selector
}

// ParsePodSelector reads NAMESPACE/SELECTOR, such as "monitoring/app=prometheus".
// Whoever may create pods with these labels in that namespace is meant, so it has to
// be one namespace, and a selector that selects.
func ParsePodSelector(text string) (PodSelector, error) {
	namespace, expression, found := strings.Cut(text, "/")
	if !found {
		return PodSelector{}, errors.New("has no namespace before a slash")
	}
	if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
		return PodSelector{}, fmt.Errorf("namespace %q is none: %s", namespace, problems[0])
	}
	selector, err := labels.Parse(expression)
	if err != nil {
		return PodSelector{}, fmt.Errorf("label selector %q: %w", expression, err)
	}
	if selector.Empty() {
		return PodSelector{}, errors.New("selects every pod of the namespace")
	}
	return PodSelector{Namespace: namespace, Selector: selector}, nil
}

func checkBackend(s Settings, _ ClusterFacts) []Problem {
	switch s.IptablesOperator.Backend {
	case BackendAuto, BackendNFTables, BackendIptables:
		return nil
	}
	return []Problem{refuse("iptablesOperator.backend", s.IptablesOperator.Backend, "UnknownBackend",
		"not a backend", "choose auto, nftables or iptables")}
}
