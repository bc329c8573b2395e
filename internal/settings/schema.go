package settings

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Schema is the JSON schema of the settings, which is the schema of the chart's
// values. It is derived from the types' tags: enum, minimum, maximum and doc.
func Schema() ([]byte, error) {
	root := schemaOf(reflect.TypeFor[Settings]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "KubeEdge settings"
	// Helm lets every chart have global values beside its own.
	properties := root["properties"].(map[string]any)
	properties[global] = map[string]any{"type": "object"}
	raw, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return append(raw, '\n'), nil
}

func schemaOf(t reflect.Type) map[string]any {
	switch t.Kind() {
	case reflect.Struct:
		properties := map[string]any{}
		out := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
		var required []string
		for f := range fields(t) {
			properties[f.name] = fieldSchema(f)
			if !strings.Contains(f.Tag.Get("json"), ",omitempty") {
				required = append(required, f.name)
			}
		}
		if required != nil {
			// Helm takes null as "remove the chart's default", and templates take what
			// is not there as off or zero.
			out["required"] = required
		}
		return out
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int:
		return map[string]any{"type": "integer"}
	default:
		return map[string]any{"type": "string"}
	}
}

// field is one JSON field of a struct.
type field struct {
	reflect.StructField
	name string
}

// fields walks a struct's JSON fields.
func fields(t reflect.Type) func(func(field) bool) {
	return func(yield func(field) bool) {
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !yield(field{f, name}) {
				return
			}
		}
	}
}

// fieldSchema adds what the tags say to the schema of the type.
func fieldSchema(f field) map[string]any {
	s := schemaOf(f.Type)
	if doc := f.Tag.Get("doc"); doc != "" {
		s["description"] = doc
	}
	if enum := f.Tag.Get("enum"); enum != "" {
		s["enum"] = strings.Split(enum, ",")
	}
	for _, bound := range []string{"minimum", "maximum"} {
		if n, err := strconv.Atoi(f.Tag.Get(bound)); err == nil {
			s[bound] = n
		}
	}
	return s
}
