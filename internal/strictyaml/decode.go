package strictyaml

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds the work of a document whose aliases repeat its parts.
const maxNodes = 200_000

// Option changes how a document is decoded.
type Option func(*decoder)

// AnyText takes an unquoted number or boolean as text, exactly as it is written, where
// text is expected: for values that come from a command line and not from a file.
func AnyText() Option { return func(d *decoder) { d.anyText = true } }

// NullIsFault refuses null as the value of a map. Otherwise its key counts as left out.
func NullIsFault() Option { return func(d *decoder) { d.nullIsFault = true } }

// Decode parses data and lays it over out, a pointer. What data leaves out, or has null
// for, stays as it is in out; lists and maps replace those of out as a whole. Errors are
// Faults, and out is then half filled.
func Decode(data []byte, out any, options ...Option) error {
	document, err := Parse(data)
	if err != nil {
		return err
	}
	return document.Decode(out, options...)
}

// Decode lays the document over out as the function Decode does.
func (d *Document) Decode(out any, options ...Option) error {
	if d.root == nil {
		return nil
	}
	into := &decoder{}
	for _, option := range options {
		option(into)
	}
	into.value(d.root, reflect.ValueOf(out).Elem(), "")
	if len(into.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(into.faults, func(a, b Fault) int { return a.Line - b.Line })
	return into.faults
}

type decoder struct {
	anyText, nullIsFault bool
	nodes                int
	faults               Faults
}

func (d *decoder) refuse(n *yaml.Node, field, code, message, remedy string) {
	f := Fault{Line: n.Line, Field: field, Code: code, Message: message, Remedy: remedy}
	if n.Kind == yaml.ScalarNode {
		f.Value = n.Value
	}
	d.faults = append(d.faults, f)
}

func (d *decoder) wrongType(n *yaml.Node, field, want string) {
	d.refuse(n, field, CodeType, fmt.Sprintf("got %s where %s is expected", kindOf(n), want), "correct the type of the value")
}

func (d *decoder) value(n *yaml.Node, v reflect.Value, field string) {
	n = resolve(n)
	if d.nodes++; d.nodes > maxNodes {
		if d.nodes == maxNodes+1 {
			d.refuse(n, field, CodeTooLarge, fmt.Sprintf("the document has more than %d values", maxNodes), "split it")
		}
		return
	}
	if isNull(n) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(n, v, field)
	case reflect.Map:
		d.texts(n, v, field)
	case reflect.Slice:
		d.list(n, v, field)
	case reflect.String:
		if text, ok := d.text(n, field); ok {
			v.SetString(text)
		}
	case reflect.Bool:
		if value, ok := boolOf(n); ok {
			v.SetBool(value)
		} else {
			d.wrongType(n, field, "true or false")
		}
	case reflect.Int:
		d.integer(n, v, field)
	default:
		panic("strictyaml: no rule for type " + v.Type().String())
	}
}

// each calls do for every key of an object that is text and is there once.
func (d *decoder) each(n *yaml.Node, field string, do func(key, value *yaml.Node)) {
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), n.Content[i+1]
		name, ok := textOf(key)
		line, again := first[name]
		switch {
		case plain(key) && key.ShortTag() == "!!merge":
			d.refuse(key, field, CodeUnknown, "merge keys are not supported", "write the fields out")
		case !ok && key.Kind == yaml.ScalarNode:
			d.refuse(key, field, CodeUnquoted, fmt.Sprintf("the key %s is %s, not text", key.Value, kindOf(key)), fmt.Sprintf("write %q, with the quotes", key.Value))
		case !ok:
			d.wrongType(key, field, "a key")
		case again:
			d.refuse(key, join(field, name), CodeDuplicate, fmt.Sprintf("the key is on line %d already", line), "keep one of the two")
		default:
			first[name] = key.Line
			do(key, value)
		}
	}
}

func join(field, name string) string {
	if field == "" {
		return name
	}
	return field + "." + name
}

func (d *decoder) object(n *yaml.Node, v reflect.Value, field string) {
	if n.Kind != yaml.MappingNode {
		d.wrongType(n, field, "an object")
		return
	}
	fields := fieldsOf(v.Type())
	d.each(n, field, func(key, value *yaml.Node) {
		at := join(field, key.Value)
		if i, known := fields[key.Value]; known {
			d.value(value, v.Field(i), at)
			return
		}
		remedy := "check the spelling"
		for name := range fields {
			if strings.EqualFold(name, key.Value) {
				remedy = "write it as " + name
			}
		}
		d.refuse(key, at, CodeUnknown, "there is no such field", remedy)
	})
}

// fieldsOf are the indexes of a struct's fields by their names in JSON.
func fieldsOf(t reflect.Type) map[string]int {
	out := map[string]int{}
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			out[name] = i
		}
	}
	return out
}

// texts reads a map whose keys are the user's own.
func (d *decoder) texts(n *yaml.Node, v reflect.Value, field string) {
	if n.Kind != yaml.MappingNode {
		d.wrongType(n, field, "an object")
		return
	}
	out := reflect.MakeMap(v.Type())
	d.each(n, field, func(key, value *yaml.Node) {
		at, value := join(field, key.Value), resolve(value)
		if isNull(value) {
			if d.nullIsFault {
				d.refuse(value, at, CodeMissingValue, "has no value", `write "" for an empty one, or remove the key`)
			}
			return
		}
		one := reflect.New(v.Type().Elem()).Elem()
		d.value(value, one, at)
		out.SetMapIndex(reflect.ValueOf(key.Value), one)
	})
	v.Set(out)
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, field string) {
	if n.Kind != yaml.SequenceNode {
		d.wrongType(n, field, "a list")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", field, i)
		d.mark(out.Index(i), item.Line)
		if isNull(resolve(item)) {
			d.refuse(item, at, CodeMissingValue, "the item is empty", "give it a value, or remove it")
			continue
		}
		d.value(item, out.Index(i), at)
	}
	v.Set(out)
}

// Lined items are told their line.
type Lined interface{ SetLine(line int) }

func (d *decoder) mark(item reflect.Value, line int) {
	if lined, ok := item.Addr().Interface().(Lined); ok {
		lined.SetLine(line)
	}
}

func (d *decoder) text(n *yaml.Node, field string) (string, bool) {
	if text, ok := textOf(n); ok {
		return text, true
	}
	switch {
	case n.Kind != yaml.ScalarNode || !plain(n):
		d.wrongType(n, field, "text")
	case d.anyText:
		return n.Value, true
	default:
		d.refuse(n, field, CodeUnquoted, fmt.Sprintf("%s is %s where text is expected", n.Value, kindOf(n)), fmt.Sprintf("write %q, with the quotes", n.Value))
	}
	return "", false
}

func (d *decoder) integer(n *yaml.Node, v reflect.Value, field string) {
	tag := n.ShortTag()
	if !plain(n) || tag != "!!int" && tag != "!!float" {
		d.wrongType(n, field, "a number")
		return
	}
	value, err := strconv.Atoi(n.Value)
	switch {
	case err == nil && decimal.MatchString(n.Value):
		v.SetInt(int64(value))
	case err == nil || tag == "!!int":
		d.refuse(n, field, CodeDecimal, n.Value+" is not a plain decimal number, and programs read it differently", "write the number in decimal digits, without a leading 0")
	default:
		d.refuse(n, field, CodeType, n.Value+" is not a whole number", "write a whole number")
	}
}
