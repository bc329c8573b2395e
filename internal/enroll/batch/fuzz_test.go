package batch_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/edgeway-io/edgeway/internal/enroll/batch"
	"github.com/edgeway-io/edgeway/test/corpus"
)

func FuzzCSV(f *testing.F)  { fuzz(f, batch.CSV) }
func FuzzYAML(f *testing.F) { fuzz(f, batch.YAML) }

// fuzz: a list is refused with ErrList, refused with faults that have a line of the
// text, or taken with texts that are in it, every name and address once.
func fuzz(f *testing.F, format string) {
	cases, err := corpus.Cases("batch")
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		if c.Options["format"] == format {
			f.Add(string(c.Input))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := batch.Parse(format, text)
		if err != nil {
			if !errors.Is(err, batch.ErrList) {
				t.Errorf("%v is no ErrList", err)
			}
			return
		}
		requests, problems := list.Requests(base(), func() (string, error) { return "", errors.New("the pool is empty") })
		lines := 1 + strings.Count(text, "\n") + strings.Count(text, "\r") + strings.Count(text, "\u2028") + strings.Count(text, "\u2029") + strings.Count(text, "\u0085")
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Code == "" || p.Remedy == "" {
				t.Errorf("%+v of a text with %d lines", p, lines)
			}
		}
		names, addresses := map[string]bool{}, map[string]bool{}
		for _, r := range requests {
			if len(problems) > 0 {
				break
			}
			if names[r.NodeName] || addresses[r.WithDefaults().NodeIP] {
				t.Errorf("%s or %s is there twice", r.NodeName, r.NodeIP)
			}
			names[r.NodeName], addresses[r.WithDefaults().NodeIP] = true, true
			if !strings.Contains(text, r.NodeName) && format == batch.CSV && !strings.Contains(text, "\x00") {
				t.Errorf("name %q is not in the text", r.NodeName)
			}
		}
	})
}
