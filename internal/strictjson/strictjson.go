// Package strictjson reads JSON of which nothing is passed over: encoding/json takes the
// last of two equal keys.
package strictjson

import (
	"encoding/json"
	"fmt"

	kjson "sigs.k8s.io/json"
)

// Unmarshal is json.Unmarshal that refuses a key which an object has twice, with its path.
func Unmarshal(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return err
	}
	var all any
	faults, err := kjson.UnmarshalStrict(data, &all, kjson.DisallowDuplicateFields)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: keep one of the two", faults[0])
	}
	return nil
}
