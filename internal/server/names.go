package server

import (
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"k8s.io/apimachinery/pkg/util/validation"
)

// nameRules are Kubernetes' rules for the names in paths and queries. They hold for every
// operation with a parameter of that name: a name that no object can have is the caller's
// mistake and never becomes part of a request to a cluster.
var nameRules = map[string]struct {
	check  func(string) []string
	remedy string
}{
	"node":       {validation.IsDNS1123Subdomain, "give the name as kubectl get nodes prints it"},
	"pod":        {validation.IsDNS1123Subdomain, "give the name as kubectl get pods prints it"},
	"enrollment": {validation.IsDNS1123Subdomain, "give the name as kubectl get edgeenrollments prints it"},
	"namespace":  {validation.IsDNS1123Label, "give the name as kubectl get namespaces prints it"},
	"container":  {validation.IsDNS1123Label, "give the name that the pod's spec has for it"},
}

// freeNames are path parameters without a rule: they are only compared with what is known.
var freeNames = map[string]bool{
	"cluster":   true, // a context of a kubeconfig may have any name
	"operation": true,
}

// checkNames refuses the first name that breaks its rule. Empty query parameters are
// parameters that were left out.
func checkNames(op *huma.Operation, ctx huma.Context, query url.Values) *Error {
	for _, p := range op.Parameters {
		rule, ok := nameRules[p.Name]
		if !ok {
			continue
		}
		values := query[p.Name]
		if p.In == "path" {
			values = []string{ctx.Param(p.Name)}
		}
		for _, value := range values {
			if p.In != "path" && value == "" {
				continue
			}
			for _, name := range namesIn(p, value) {
				if faults := rule.check(name); len(faults) > 0 {
					return invalid(p.Name, quoted(name)+" cannot be the name of a "+p.Name+": "+faults[0], rule.remedy)
				}
			}
		}
	}
	return nil
}

// namesIn splits lists as the HTTP library does.
func namesIn(p *huma.Param, value string) []string {
	if p.Schema != nil && p.Schema.Type == huma.TypeArray && (p.Explode == nil || !*p.Explode) {
		return strings.Split(value, ",")
	}
	return []string{value}
}
