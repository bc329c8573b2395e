package limit

import "reflect"

// SizeOf is what a value takes in memory, in bytes, with all that it points to. Something
// that is pointed to twice counts twice; channels and functions count as a word.
func SizeOf(v any) int64 { return int64(reflect.TypeOf(v).Size()) + behind(reflect.ValueOf(v)) }

// behind is the size of what a value points to.
func behind(v reflect.Value) int64 {
	var n int64
	switch v.Kind() {
	case reflect.String:
		return int64(v.Len())
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return 0
		}
		return int64(v.Elem().Type().Size()) + behind(v.Elem())
	case reflect.Slice:
		n = int64(v.Cap()) * int64(v.Type().Elem().Size())
		fallthrough
	case reflect.Array:
		if flat(v.Type().Elem()) {
			return n
		}
		for i := range v.Len() {
			n += behind(v.Index(i))
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			n += int64(v.Type().Key().Size()+v.Type().Elem().Size()) + behind(it.Key()) + behind(it.Value())
		}
	case reflect.Struct:
		if v.Type().PkgPath() == "time" {
			return 0 // its location is shared by all
		}
		for i := range v.NumField() {
			n += behind(v.Field(i))
		}
	}
	return n
}

// flat types point to nothing.
func flat(t reflect.Type) bool { return t.Kind() >= reflect.Bool && t.Kind() <= reflect.Complex128 }
