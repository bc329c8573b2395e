package batch

import (
	"errors"
	"strings"

	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/strictyaml"
)

func parseYAML(text string) (List, error) {
	var out List
	err := strictyaml.Decode([]byte(text), &out.Devices, strictyaml.NullIsFault())
	var faults strictyaml.Faults
	if !errors.As(err, &faults) {
		return out, err
	}
	for _, f := range faults {
		if !strings.HasPrefix(f.Field, "[") {
			return List{}, faults
		}
		out.problems = append(out.problems, enroll.Problem{Line: f.Line, Field: "devices" + f.Field, Value: f.Value, Code: f.Code, Message: f.Message, Remedy: f.Remedy})
	}
	return out, nil
}
