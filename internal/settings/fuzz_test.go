package settings

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/test/corpus"
)

// FuzzParse: a document is refused with problems that have a code and a remedy, or read
// so that what it became reads the same again.
func FuzzParse(f *testing.F) {
	for _, kind := range []string{"settings", "values"} {
		cases, err := corpus.Cases(kind)
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range cases {
			f.Add(c.Input)
		}
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		s, err := Parse(document)
		if err != nil {
			var bad *InvalidError
			if !errors.As(err, &bad) || len(bad.Problems) == 0 {
				t.Fatalf("%v names no problem", err)
			}
			for _, p := range bad.Problems {
				if p.Code == "" || p.Message == "" || p.Remedy == "" {
					t.Errorf("%+v", p)
				}
			}
			return
		}
		if AsError(s.Validate(ClusterFacts{})) != nil {
			return // never in force
		}
		values, err := s.HelmValues()
		if err != nil {
			t.Fatal(err)
		}
		again, err := FromHelmValues(values)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.WithoutRemoved(), again); diff != "" {
			t.Error(diff)
		}
	})
}
