package settings

import (
	"encoding/json"
	"fmt"
	"maps"
)

// global is the key that Helm allows every chart beside its own.
const global = "global"

// HelmValues are the values for the chart: the settings' own JSON form.
func (s Settings) HelmValues() (map[string]any, error) {
	raw, err := json.Marshal(s.Complete().WithoutRemoved())
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	values := map[string]any{}
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	return values, nil
}

// FromHelmValues reads a release's values, which plain helm may have written
// and which then hold only what differs from the chart's defaults.
func FromHelmValues(values map[string]any) (Settings, error) {
	values = maps.Clone(values)
	delete(values, global)
	raw, err := json.Marshal(values)
	if err != nil {
		return Settings{}, fmt.Errorf("read release values: %w", err)
	}
	s, err := Parse(raw)
	return s.WithoutRemoved(), err
}

// WithoutRemoved leaves out the fields that are only read, for the sake of files and
// releases of before.
func (s Settings) WithoutRemoved() Settings {
	s.StreamGuard.Admit, s.StreamGuard.AdmitPods = nil, nil
	return s
}
