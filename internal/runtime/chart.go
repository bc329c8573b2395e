package runtime

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	release "helm.sh/helm/v4/pkg/release/v1"

	"github.com/edgeway-io/edgeway/charts"
	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// chartAnnotation tells our chart from others of the name.
const chartAnnotation = "edgeway.io/chart"

// loadChart reads the chart that is embedded in this binary.
func loadChart() (*chartv2.Chart, error) {
	root, err := fs.Sub(charts.KubeEdge, "kubeedge")
	if err != nil {
		return nil, fmt.Errorf("open chart: %w", err)
	}
	var files []*archive.BufferedFile
	err = fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, path)
		files = append(files, &archive.BufferedFile{Name: path, Data: data})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read chart: %w", err)
	}
	chart, err := loader.LoadFiles(files)
	if err != nil {
		return nil, fmt.Errorf("load chart: %w", err)
	}
	return chart, nil
}

// Render returns the manifests of the chart for settings, hooks included, without a
// cluster and without CRDs. Kubernetes' version is written as "v1.36.3".
func Render(s settings.Settings, kubernetes string) (string, error) {
	chart, err := loadChart()
	if err != nil {
		return "", err
	}
	return render(chart, s, kubernetes)
}

func render(chart *chartv2.Chart, s settings.Settings, kubernetes string) (string, error) {
	version, err := common.ParseKubeVersion(kubernetes)
	if err != nil {
		return "", fmt.Errorf("version %q: %w", kubernetes, err)
	}
	values, err := s.HelmValues()
	if err != nil {
		return "", err
	}
	install := action.NewInstall(action.NewConfiguration())
	install.DryRunStrategy = action.DryRunClient
	install.ReleaseName, install.Namespace = ReleaseName, Namespace
	install.KubeVersion = version
	install.SkipCRDs = true
	done, err := install.Run(chart, values)
	if err != nil {
		return "", fmt.Errorf("render chart: %w", err)
	}
	rel, ok := done.(*release.Release)
	if !ok {
		return "", errcat.Errorf("ChartBroken", "render chart: unexpected release type %T", done)
	}
	return manifests(rel), nil
}

// manifests of a release, its hooks after the rest.
func manifests(rel *release.Release) string {
	out := strings.TrimSpace(rel.Manifest) + "\n"
	hooks := slices.SortedFunc(slices.Values(rel.Hooks), func(a, b *release.Hook) int {
		return cmp.Or(cmp.Compare(a.Weight, b.Weight), strings.Compare(a.Kind, b.Kind))
	})
	for _, hook := range hooks {
		out += "---\n# Source: " + hook.Path + "\n" + strings.TrimSpace(hook.Manifest) + "\n"
	}
	return out
}
