package settings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/edgeway-io/edgeway/internal/strictyaml"
)

// Parse reads one YAML or JSON document over the defaults of the service type that it
// names (NodePort when it names none). Unknown fields, wrong types and whatever the
// document means beside that are refused with an *InvalidError.
func Parse(data []byte) (Settings, error) {
	return Overlay(Default(NodePort), data)
}

// Overlay reads one YAML or JSON document over base. When it changes the service type,
// ports with the old type's default follow, unless data sets them. Lists and maps
// replace those of base; null is the same as leaving the field out.
func Overlay(base Settings, data []byte) (Settings, error) {
	document, err := strictyaml.Parse(data)
	if err != nil {
		return Settings{}, invalid(err)
	}
	return overlay(base, document)
}

func overlay(base Settings, document *strictyaml.Document, options ...strictyaml.Option) (Settings, error) {
	out := base.Complete()
	if name, ok := document.Field("serviceType"); ok {
		out = out.WithServiceType(ServiceType(name))
	}
	if err := document.Decode(&out, options...); err != nil {
		return Settings{}, invalid(err)
	}
	return out.Complete(), nil
}

// invalid makes an *InvalidError of strictyaml.Faults.
func invalid(err error) error {
	var faults strictyaml.Faults
	if !errors.As(err, &faults) {
		return err
	}
	problems := make([]Problem, 0, len(faults))
	for _, f := range faults {
		var value any
		if f.Value != "" {
			value = f.Value
		}
		message := f.Message
		if f.Line > 0 {
			message = fmt.Sprintf("line %d: %s", f.Line, message)
		}
		problems = append(problems, refuse(f.Field, value, f.Code, message, f.Remedy))
	}
	return &InvalidError{problems}
}

// Set overlays one "path.to.field=value". A dot in a key is written as "\.". The value
// is read as YAML; where the field is text, it is taken as it stands.
func Set(base Settings, assignment string) (Settings, error) {
	path, value, ok := strings.Cut(assignment, "=")
	if !ok || path == "" {
		return Settings{}, &InvalidError{[]Problem{refuse(assignment, nil, "NotAnAssignment", "no field=value", "write it as cloudHub.nodeLimit=200")}}
	}
	document := strictyaml.Text("")
	if value != "" {
		var err error
		if document, err = strictyaml.Parse([]byte(value)); err != nil {
			return Settings{}, &InvalidError{[]Problem{refuse(path, value, strictyaml.CodeSyntax, err.Error(), "quote the value")}}
		}
	}
	return overlay(base, document.Under(splitPath(path)...), strictyaml.AnyText())
}

// splitPath splits at the dots that no backslash precedes.
func splitPath(path string) []string {
	const escaped = "\x00"
	parts := strings.Split(strings.ReplaceAll(path, `\.`, escaped), ".")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], escaped, ".")
	}
	return parts
}
