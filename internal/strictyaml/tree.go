package strictyaml

import (
	"cmp"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Kind is what a field of a Schema holds.
type Kind string

// The kinds. Any is for values that are not looked at further, Items for a list of them.
const (
	Bool    Kind = "bool"
	Int     Kind = "int"
	String  Kind = "text"
	Strings Kind = "texts"
	Texts   Kind = "map" // of keys that are the user's own
	Object  Kind = "object"
	Items   Kind = "list"
	Any     Kind = "any"
)

// Schema has the kind of each field by its path, like "authentication.anonymous.enabled".
// It is for objects that have no type here.
type Schema map[string]Kind

// Tree reads an object of a schema. What is null is left out. Errors are Faults.
func (d *Document) Tree(schema Schema) (map[string]any, error) {
	if d.root == nil {
		return nil, nil
	}
	into := &decoder{}
	out := into.tree(d.root, schema, "")
	if len(into.faults) == 0 {
		return out, nil
	}
	slices.SortStableFunc(into.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	return nil, into.faults
}

func (d *decoder) tree(n *yaml.Node, schema Schema, field string) map[string]any {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		d.wrongType(n, field, "an object")
		return nil
	}
	out := map[string]any{}
	d.each(n, field, func(key, value *yaml.Node) {
		at, value := join(field, key.Value), resolve(value)
		kind, known := schema[at]
		switch {
		case !known:
			d.refuse(key, at, CodeUnknown, "there is no such field", schema.nearest(at))
		case isNull(value):
		case kind == Object:
			out[key.Value] = d.tree(value, schema, at)
		default:
			if into := kind.value(); into.IsValid() {
				d.value(value, into, at)
				out[key.Value] = into.Interface()
				return
			}
			out[key.Value] = d.any(value, kind, at)
		}
	})
	return out
}

// value to decode into; invalid for what is not looked at.
func (k Kind) value() reflect.Value {
	switch k {
	case Bool:
		return reflect.New(reflect.TypeFor[bool]()).Elem()
	case Int:
		return reflect.New(reflect.TypeFor[int]()).Elem()
	case String:
		return reflect.New(reflect.TypeFor[string]()).Elem()
	case Strings:
		return reflect.New(reflect.TypeFor[[]string]()).Elem()
	case Texts:
		return reflect.New(reflect.TypeFor[map[string]string]()).Elem()
	}
	return reflect.Value{}
}

func (d *decoder) any(n *yaml.Node, kind Kind, field string) (out any) {
	if kind == Items && n.Kind != yaml.SequenceNode {
		d.wrongType(n, field, "a list")
		return nil
	}
	d.checkKeys(n, field, 0)
	if err := n.Decode(&out); err != nil {
		d.refuse(n, field, CodeSyntax, strings.TrimPrefix(err.Error(), "yaml: "), "correct the YAML or JSON")
	}
	return out
}

// maxDepth bounds the aliases that lead to themselves, which the library refuses later.
const maxDepth = 100

// checkKeys refuses keys that are no text, or there twice, also where nothing else is known.
func (d *decoder) checkKeys(n *yaml.Node, field string, depth int) {
	n = resolve(n)
	if d.nodes++; d.nodes > maxNodes || depth > maxDepth {
		if d.nodes == maxNodes+1 || depth == maxDepth+1 {
			d.refuse(n, field, CodeTooLarge, fmt.Sprintf("the document has more than %d values", maxNodes), "split it")
		}
		return
	}
	switch n.Kind {
	case yaml.MappingNode:
		d.each(n, field, func(key, value *yaml.Node) { d.checkKeys(value, join(field, key.Value), depth+1) })
	case yaml.SequenceNode:
		for i, item := range n.Content {
			d.checkKeys(item, fmt.Sprintf("%s[%d]", field, i), depth+1)
		}
	}
}

// nearest finds the field that was meant: by its letters, or at another place.
func (s Schema) nearest(at string) string {
	var elsewhere []string
	for name := range s {
		if strings.EqualFold(name, at) {
			return "write it as " + name
		}
		if strings.EqualFold(path.Ext("."+name), path.Ext("."+at)) {
			elsewhere = append(elsewhere, name)
		}
	}
	if len(elsewhere) == 1 {
		return "put it at " + elsewhere[0]
	}
	return "check the spelling"
}
