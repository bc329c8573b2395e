package batch

import (
	"errors"
	"strconv"
	"strings"

	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/strictyaml"
)

func parseYAML(text string) (List, error) {
	out := List{unread: map[int]bool{}}
	err := strictyaml.Decode([]byte(text), &out.Devices, strictyaml.NullIsFault())
	var faults strictyaml.Faults
	if !errors.As(err, &faults) {
		return out, err
	}
	for _, f := range faults {
		if !strings.HasPrefix(f.Field, "[") {
			return List{}, faults
		}
		// An item that is no device.
		i, err := strconv.Atoi(strings.Trim(f.Field, "[]"))
		if err == nil && (f.Code == strictyaml.CodeMissingValue || f.Code == strictyaml.CodeType) {
			out.unread[i] = true
		}
		out.problems = append(out.problems, enroll.Problem{Line: f.Line, Field: "devices" + f.Field, Value: f.Value, Code: f.Code, Message: f.Message, Remedy: f.Remedy})
	}
	return out, nil
}
