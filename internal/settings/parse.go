package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	merged, err := merge(base, raw)
	if err != nil {
		return Settings{}, err
	}
	var out Settings
	dec := json.NewDecoder(bytes.NewReader(merged))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		return Settings{}, &InvalidError{[]Problem{decodeProblem(err, merged)}}
	}
	return out.Complete(), nil
}

// merge lays an object over the base's. Decoding into the base instead would
// mix the items of lists and the keys of maps.
func merge(base Settings, over []byte) ([]byte, error) {
	below, err := base.HelmValues()
	if err != nil {
		return nil, err
	}
	var above map[string]any
	if err := json.Unmarshal(over, &above); err != nil {
		return nil, &InvalidError{[]Problem{refuse("", nil, "NotAnObject", "not an object", "give one YAML or JSON object")}}
	}
	mergeInto(below, above)
	raw, err := json.Marshal(below)
	if err != nil {
		return nil, fmt.Errorf("merge settings: %w", err)
	}
	return raw, nil
}

// replaced are fields whose keys are the user's own, so that they are taken as a whole.
var replaced = map[string]bool{"nodeSelector": true, "requests": true, "limits": true}

func mergeInto(below, above map[string]any) {
	for key, value := range above {
		// Go's decoder does not tell upper from lower case, and no more do we.
		if known, ok := foldKey(below, key); ok {
			key = known
		}
		from, isObject := value.(map[string]any)
		into, wasObject := below[key].(map[string]any)
		if isObject && wasObject && !replaced[key] {
			mergeInto(into, from)
			continue
		}
		below[key] = value
	}
}

func foldKey(m map[string]any, key string) (string, bool) {
	if _, ok := m[key]; ok {
		return key, true
	}
	for known := range m {
		if strings.EqualFold(known, key) {
			return known, true
		}
	}
	return "", false
}

// decodeProblem names the field of an error in decoding a document.
func decodeProblem(err error, document []byte) Problem {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return refuse(wrong.Field, wrong.Value, "WrongType",
			fmt.Sprintf("got a %s where a %s is expected", wrong.Value, wrong.Type), "correct the type of the value")
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return refuse(pathOf(document, strings.Trim(name, `"`)), nil, "UnknownField", "there is no such field",
			"check the spelling against the settings reference")
	}
	return refuse("", nil, "NotAnObject", err.Error(), "give one YAML or JSON object")
}

// pathOf finds a key that the decoder names without saying where it is.
func pathOf(document []byte, key string) string {
	var tree any
	if err := json.Unmarshal(document, &tree); err != nil {
		return key
	}
	if path, ok := findKey(tree, key); ok {
		return path
	}
	return key
}

func findKey(tree any, key string) (string, bool) {
	switch at := tree.(type) {
	case map[string]any:
		if _, ok := at[key]; ok {
			return key, true
		}
		for _, name := range slices.Sorted(maps.Keys(at)) {
			if path, ok := findKey(at[name], key); ok {
				return strings.Replace(name+"."+path, ".[", "[", 1), true
			}
		}
	case []any:
		for i, item := range at {
			if path, ok := findKey(item, key); ok {
				return fmt.Sprintf("[%d].%s", i, path), true
			}
		}
	}
	return "", false
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
