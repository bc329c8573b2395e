package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// Parse reads YAML or JSON over the defaults of the service type that it names
// (NodePort when it names none). Unknown fields and wrong types are refused
// with an *InvalidError.
func Parse(data []byte) (Settings, error) {
	return Overlay(Default(NodePort), data)
}

// Overlay reads YAML or JSON over base. When it changes the service type, ports
// with the old type's default follow, unless data sets them. Lists and maps
// replace those of base.
func Overlay(base Settings, data []byte) (Settings, error) {
	raw, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return Settings{}, &InvalidError{[]Problem{refuse("", nil, "NotYAML", err.Error(), "give one YAML or JSON object")}}
	}
	var head struct {
		ServiceType *ServiceType `json:"serviceType"`
	}
	// A wrong type of this one field is reported by the strict pass below.
	if err := json.Unmarshal(raw, &head); err == nil && head.ServiceType != nil {
		base = base.WithServiceType(*head.ServiceType)
	}
	out, err := base.clone()
	if err != nil {
		return Settings{}, err
	}
	out.dropMaps(raw)
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		return Settings{}, &InvalidError{[]Problem{decodeProblem(err)}}
	}
	return out.Complete(), nil
}

// clone shares no list or map with s.
func (s Settings) clone() (Settings, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return Settings{}, fmt.Errorf("copy settings: %w", err)
	}
	var out Settings
	if err := json.Unmarshal(raw, &out); err != nil {
		return Settings{}, fmt.Errorf("copy settings: %w", err)
	}
	return out, nil
}

// dropMaps empties the maps that raw sets, because encoding/json adds to a map
// that is there where we want it replaced.
func (s *Settings) dropMaps(raw []byte) {
	var seen struct {
		Pods map[string]struct {
			Resources struct {
				Requests, Limits json.RawMessage
			}
			NodeSelector json.RawMessage
		}
	}
	// What does not fit is reported by the strict pass.
	if err := json.Unmarshal(raw, &seen); err != nil {
		return
	}
	for name, pod := range map[string]*Pod{
		"cloudcore": &s.Pods.CloudCore, "edgeWatcher": &s.Pods.EdgeWatcher, "iptablesOperator": &s.Pods.IptablesOperator,
	} {
		given := seen.Pods[name]
		if given.Resources.Requests != nil {
			pod.Resources.Requests = nil
		}
		if given.Resources.Limits != nil {
			pod.Resources.Limits = nil
		}
		if given.NodeSelector != nil {
			pod.NodeSelector = nil
		}
	}
}

// decodeProblem names the field of a decoding error.
func decodeProblem(err error) Problem {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return refuse(wrong.Field, wrong.Value, "WrongType",
			fmt.Sprintf("got a %s where a %s is expected", wrong.Value, wrong.Type), "correct the type of the value")
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return refuse(strings.Trim(name, `"`), nil, "UnknownField", "there is no such field",
			"check the spelling against the settings reference")
	}
	return refuse("", nil, "NotAnObject", err.Error(), "give one YAML or JSON object")
}

// Set overlays one "path.to.field=value"; the value is read as YAML.
func Set(base Settings, assignment string) (Settings, error) {
	path, value, ok := strings.Cut(assignment, "=")
	if !ok || path == "" {
		return Settings{}, &InvalidError{[]Problem{refuse(assignment, nil, "NotAnAssignment", "no field=value", "write it as cloudHub.nodeLimit=200")}}
	}
	raw, err := yaml.YAMLToJSONStrict([]byte(value))
	if err != nil {
		return Settings{}, &InvalidError{[]Problem{refuse(path, value, "NotYAML", err.Error(), "quote the value")}}
	}
	parts := strings.Split(path, ".")
	for i := len(parts) - 1; i >= 0; i-- {
		key, err := json.Marshal(parts[i])
		if err != nil {
			return Settings{}, fmt.Errorf("field %q: %w", path, err)
		}
		raw = fmt.Appendf(nil, "{%s:%s}", key, raw)
	}
	return Overlay(base, raw)
}
