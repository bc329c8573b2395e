package settings

import (
	"fmt"
	"regexp"
	"sort"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

var (
	registryHost = regexp.MustCompile(`^[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`)
	// imageRef asks for a tag or a digest: an image without either is "latest",
	// and nobody could say what runs.
	imageRef = regexp.MustCompile(`^[a-z0-9]+([._-]+[a-z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$`)
)

func checkImages(s Settings, _ ClusterFacts) []Problem {
	var out []Problem
	img := s.Images
	if img.Registry != "" && !registryHost.MatchString(img.Registry) {
		out = append(out, refuse("images.registry", img.Registry, "NotARegistry", "not a registry host with an optional path", "write it as registry.example.com:5000/mirror, without scheme"))
	}
	for _, ref := range []struct{ field, value string }{
		{"images.cloudcore", img.CloudCore}, {"images.edgeWatcher", img.EdgeWatcher}, {"images.iptablesOperator", img.IptablesOperator},
		{"images.streamGate", img.StreamGate}, {"images.probe", img.Probe},
	} {
		if !imageRef.MatchString(ref.value) {
			out = append(out, refuse(ref.field, ref.value, "NotAnImage", "not an image with a tag or a digest", "write it as "+ImageCloudCore))
		}
	}
	switch img.PullPolicy {
	case "IfNotPresent", "Always", "Never":
	default:
		out = append(out, refuse("images.pullPolicy", img.PullPolicy, "UnknownPullPolicy", "not a pull policy", "choose IfNotPresent, Always or Never"))
	}
	for i, name := range img.PullSecrets {
		if msgs := validation.IsDNS1123Subdomain(name); len(msgs) > 0 {
			out = append(out, refuse(fmt.Sprintf("images.pullSecrets[%d]", i), name, "NotAName", msgs[0], "give the name of a Secret in namespace kubeedge"))
		}
	}
	return out
}

func checkPods(s Settings, _ ClusterFacts) []Problem {
	var out []Problem
	for _, p := range []struct {
		field string
		pod   Pod
	}{
		{"pods.cloudcore", s.Pods.CloudCore}, {"pods.edgeWatcher", s.Pods.EdgeWatcher}, {"pods.iptablesOperator", s.Pods.IptablesOperator},
	} {
		out = append(out, checkResources(p.field+".resources", p.pod.Resources)...)
		out = append(out, checkSelector(p.field+".nodeSelector", p.pod.NodeSelector)...)
		out = append(out, checkTolerations(p.field+".tolerations", p.pod.Tolerations)...)
	}
	return out
}

// checkResources reads quantities and refuses a request above its limit.
func checkResources(field string, r Resources) []Problem {
	var out []Problem
	parse := func(kind string, m map[string]string) map[string]resource.Quantity {
		parsed := map[string]resource.Quantity{}
		for _, name := range sortedKeys(m) {
			q, err := resource.ParseQuantity(m[name])
			if err != nil || q.Sign() < 0 {
				out = append(out, refuse(field+"."+kind+"."+name, m[name], "NotAQuantity", "not a quantity", "write it as 100m or 128Mi"))
				continue
			}
			if name != "cpu" && name != "memory" && name != "ephemeral-storage" {
				out = append(out, refuse(field+"."+kind+"."+name, m[name], "UnknownResource", "no resource of this kind is used", "use cpu, memory or ephemeral-storage"))
			}
			parsed[name] = q
		}
		return parsed
	}
	requests, limits := parse("requests", r.Requests), parse("limits", r.Limits)
	for _, name := range sortedKeys(r.Requests) {
		limit, ok := limits[name]
		if request, have := requests[name]; ok && have && request.Cmp(limit) > 0 {
			out = append(out, refuse(field+".requests."+name, r.Requests[name], "AboveLimit", "more is requested than the limit "+r.Limits[name], "lower the request or raise the limit"))
		}
	}
	return out
}

func checkSelector(field string, selector map[string]string) []Problem {
	var out []Problem
	for _, key := range sortedKeys(selector) {
		value := selector[key]
		if msgs := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...); len(msgs) > 0 {
			out = append(out, refuse(field+"."+key, value, "NotALabel", msgs[0], "give a label that nodes have"))
		}
		if key == "node-role.kubernetes.io/edge" {
			out = append(out, refuse(field+"."+key, value, "EdgeNode", "these pods do not run on edge nodes", "select cloud nodes"))
		}
	}
	return out
}

func checkTolerations(field string, tolerations []Toleration) []Problem {
	var out []Problem
	for i, t := range tolerations {
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case t.Operator != "" && t.Operator != "Exists" && t.Operator != "Equal":
			out = append(out, refuse(at+".operator", t.Operator, "UnknownOperator", "not an operator", "choose Exists or Equal"))
		case t.Key == "" && t.Operator != "Exists":
			out = append(out, refuse(at+".key", t.Key, "KeyMissing", "only operator Exists goes without a key", "give a key, or set operator to Exists"))
		case t.Operator == "Exists" && t.Value != "":
			out = append(out, refuse(at+".value", t.Value, "ValueNotAllowed", "operator Exists takes no value", "clear the value, or set operator to Equal"))
		}
		if t.Key != "" {
			if msgs := validation.IsQualifiedName(t.Key); len(msgs) > 0 {
				out = append(out, refuse(at+".key", t.Key, "NotAKey", msgs[0], "give the key of a taint"))
			}
		}
		if msgs := validation.IsValidLabelValue(t.Value); len(msgs) > 0 {
			out = append(out, refuse(at+".value", t.Value, "NotAValue", msgs[0], "give the value of a taint"))
		}
		switch t.Effect {
		case "", "NoSchedule", "PreferNoSchedule", "NoExecute":
		default:
			out = append(out, refuse(at+".effect", t.Effect, "UnknownEffect", "not an effect", "choose NoSchedule, PreferNoSchedule or NoExecute"))
		}
	}
	return out
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
