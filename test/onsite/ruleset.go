package onsite

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// Ruleset is what nf_tables holds in a namespace, a line for every table, chain,
// set, element, rule and counter object. Lines of two rulesets are equal when they
// mean the same: handles, counter values and the order of what has none are left
// out, the order of rules in a chain is kept.
type Ruleset []string

// nftObjects is nft's JSON, an object with one key each.
type nftObjects struct {
	Objects []map[string]map[string]any `json:"nftables"`
}

// Table is the part of a namespace's ruleset in one table, such as "inet edgeway".
func Table(ns *lab.NS, table string) (Ruleset, error) {
	objects, err := listRuleset(ns)
	if err != nil {
		return nil, err
	}
	var out Ruleset
	for line := range objects.lines() {
		if line.table == table {
			out = append(out, line.text)
		}
	}
	slices.Sort(out)
	return out, nil
}

// TableHandle is the number that the kernel gave a table when it was made, 0 when
// there is none.
func TableHandle(ns *lab.NS, table string) (float64, error) {
	objects, err := listRuleset(ns)
	if err != nil {
		return 0, err
	}
	for _, object := range objects.Objects {
		if t, ok := object["table"]; ok && fmt.Sprint(t["family"], " ", t["name"]) == table {
			handle, _ := t["handle"].(float64)
			return handle, nil
		}
	}
	return 0, nil
}

// Remains is a namespace's whole ruleset as far as somebody could notice it:
// comments, chains without rules and tables without anything are left out too.
func Remains(ns *lab.NS) (Ruleset, error) {
	objects, err := listRuleset(ns)
	if err != nil {
		return nil, err
	}
	var out Ruleset
	for line := range objects.lines() {
		if line.kind != "table" && line.kind != "chain" {
			out = append(out, line.text)
		}
	}
	slices.Sort(out)
	return out, nil
}

func listRuleset(ns *lab.NS) (nftObjects, error) {
	var objects nftObjects
	out, err := exec.Command("nsenter", inside(ns), "nft", "--json", "list", "ruleset").Output()
	if err != nil {
		return objects, fmt.Errorf("list the ruleset of %s: %w", ns.Name, err)
	}
	if err := json.Unmarshal(out, &objects); err != nil {
		return objects, fmt.Errorf("ruleset of %s: %w", ns.Name, err)
	}
	return objects, nil
}

// inside is nsenter's argument for a namespace, whether it has a name or not.
func inside(ns *lab.NS) string { return fmt.Sprintf("--net=/proc/%d/fd/%d", os.Getpid(), ns.FD) }

type rulesetLine struct{ kind, table, text string }

// lines yields a line for everything but set elements, and one for each of those.
func (o nftObjects) lines() func(yield func(rulesetLine) bool) {
	return func(yield func(rulesetLine) bool) {
		rules := map[string]int{}
		for _, object := range o.Objects {
			for kind, content := range object {
				if kind == "metainfo" {
					continue
				}
				for _, line := range objectLines(kind, content, rules) {
					if !yield(line) {
						return
					}
				}
			}
		}
	}
}

// objectLines makes the lines of one object; rules counts the rules of each chain.
func objectLines(kind string, content map[string]any, rules map[string]int) []rulesetLine {
	name, table := content["name"], fmt.Sprint(content["family"], " ", content["table"])
	switch kind {
	case "table":
		table = fmt.Sprint(content["family"], " ", name)
	case "rule":
		chain := fmt.Sprint(table, " ", content["chain"])
		rules[chain]++
		name = fmt.Sprintf("%v %04d", content["chain"], rules[chain])
	}
	head := fmt.Sprintf("%s %s %v", table, kind, name)
	elements, _ := content["elem"].([]any)
	delete(content, "elem")
	lines := []rulesetLine{{kind, table, head + ": " + meaning(content)}}
	for _, e := range elements {
		lines = append(lines, rulesetLine{"element", table, head + " element " + meaning(e)})
	}
	return lines
}

// meaning is a value's JSON without what changes by itself.
func meaning(v any) string {
	b, err := json.Marshal(withoutNoise(v))
	if err != nil {
		return err.Error() // cannot be: v came from JSON
	}
	return string(b)
}

func withoutNoise(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = withoutNoise(v[i])
		}
	case map[string]any:
		_, counts := v["packets"]
		for key, value := range v {
			if key == "handle" || key == "comment" || counts && (key == "packets" || key == "bytes") {
				delete(v, key)
				continue
			}
			v[key] = withoutNoise(value)
		}
	}
	return v
}

// Saved is what a namespace's iptables-save, ip6tables-save and ipset say, for the
// legacy and the nf_tables variant, without comments, counters and chains that
// have no rules.
func Saved(ns *lab.NS) (Ruleset, error) {
	var out Ruleset
	for _, save := range []string{"iptables-legacy-save", "iptables-nft-save", "ip6tables-legacy-save", "ip6tables-nft-save", "ipset save"} {
		text, err := exec.Command("nsenter", append([]string{inside(ns)}, strings.Fields(save)...)...).Output()
		if err != nil {
			return nil, fmt.Errorf("%s in %s: %w", save, ns.Name, err)
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			if strings.HasPrefix(line, "-A ") || strings.HasPrefix(line, "create ") || strings.HasPrefix(line, "add ") {
				out = append(out, save+": "+line)
			}
		}
	}
	return out, nil
}
