package charts_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	kubeedge "github.com/edgeway-io/edgeway/internal/runtime"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// rightsFile lists every right of every account of ours, each with its reason.
const rightsFile = "../docs/rights.md"

const rightsHead = `# Rights

Every right that our charts give to an account, with the reason for it. ` + "`charts/rights_test.go`" + ` compares this list with the charts: a rule
without a reason fails the test, and so does a reason whose rule is gone. [SECURITY.md](SECURITY.md) says what a thief of an account can do.

Column *when* names the settings that a right depends on.
`

// renderings of both charts by the settings that rights depend on.
func renderings(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, change := range map[string]func(*settings.Settings){
		"":                              func(*settings.Settings) {},
		"cloudHub.authorization is off": func(s *settings.Settings) { s.CloudHub.Authorization = false },
		"cloudStream is off":            func(s *settings.Settings) { s.CloudStream.Enable = false },
		"dynamicController is on":       func(s *settings.Settings) { s.DynamicController = true },
	} {
		s := settings.Default(settings.NodePort)
		s.CloudHub.AdvertiseAddress = []string{"203.0.113.7"}
		change(&s)
		manifest, err := kubeedge.Render(s, "v1.36.3")
		if err != nil {
			t.Fatal(err)
		}
		out[name] = manifest
	}
	for name, v := range map[string]values{
		" ": {}, "members.kubeSphere": {"members": values{"kubeSphere": true}},
		"members.secrets is off": {"members": values{"secrets": false}}, "joinRedemption is off": {"joinRedemption": false},
		"oidc.impersonate": {"externalURL": "https://a.example", "oidc": values{"issuerURL": "https://issuer.example", "clientID": "edgeway",
			"impersonate": true, "impersonateGroups": []any{"oidc:ops"}}},
	} {
		manifest, err := render(t, v)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = manifest
	}
	return out
}

// grant is one row of the list.
type grant struct{ account, scope, what, verbs string }

func (r grant) key() string {
	return strings.Join([]string{r.account, r.scope, r.what, r.verbs}, " | ")
}

// rightsOf reads the accounts' rights out of a rendered chart. Roles that nobody is
// bound to are for people; they are listed under their own name.
func rightsOf(t *testing.T, manifest string) map[grant]bool {
	t.Helper()
	roles, bound := map[string][]rbacv1.PolicyRule{}, map[string]bool{}
	var bindings []*unstructured.Unstructured
	for _, doc := range strings.Split("\n"+manifest, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &object.Object); err != nil {
			t.Fatalf("%v in:\n%s", err, doc)
		}
		switch object.GetKind() {
		case "Role", "ClusterRole":
			var role rbacv1.ClusterRole // a Role has the same rules
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
				t.Fatal(err)
			}
			roles[object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName()] = role.Rules
		case "RoleBinding", "ClusterRoleBinding":
			bindings = append(bindings, object)
		}
	}
	out := map[grant]bool{}
	for _, object := range bindings {
		var b rbacv1.ClusterRoleBinding
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &b); err != nil {
			t.Fatal(err)
		}
		role := b.RoleRef.Kind + " /" + b.RoleRef.Name
		if b.RoleRef.Kind == "Role" {
			role = "Role " + b.Namespace + "/" + b.RoleRef.Name
		}
		rules, ours := roles[role]
		bound[role] = true
		for _, s := range b.Subjects {
			account := strings.TrimPrefix(s.Namespace+"/"+s.Name, "/")
			if s.Kind == rbacv1.GroupKind {
				account = "group " + s.Name
			}
			if !ours {
				out[grant{account, scopeOf(b.Namespace), "all of Kubernetes' " + b.RoleRef.Kind + " " + b.RoleRef.Name, ""}] = true
			}
			for _, rule := range rules {
				out[grant{account, scopeOf(b.Namespace), whatOf(rule), strings.Join(rule.Verbs, ", ")}] = true
			}
		}
	}
	for role, rules := range roles {
		if bound[role] {
			continue
		}
		for _, rule := range rules {
			out[grant{"who is bound to " + strings.Replace(role, " /", " ", 1), "where it is bound", whatOf(rule), strings.Join(rule.Verbs, ", ")}] = true
		}
	}
	return out
}

func scopeOf(namespace string) string { return cmp.Or(namespace, "cluster") }

func whatOf(rule rbacv1.PolicyRule) string {
	var out []string
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			if group != "" {
				resource += "." + group
			}
			out = append(out, resource)
		}
	}
	out = append(out, rule.NonResourceURLs...)
	text := strings.Join(out, ", ")
	if len(rule.ResourceNames) > 0 {
		names := strings.Join(rule.ResourceNames, ", ")
		// Eight names that differ by their number are one.
		if first, _, many := strings.Cut(names, "-0, "); many && len(rule.ResourceNames) == 8 {
			names = first + "-0 to 7"
		}
		text += " named " + names
	}
	return text
}

// TestEveryRightHasAReason holds the list of rights to the charts.
func TestEveryRightHasAReason(t *testing.T) {
	when := map[grant][]string{}
	for name, manifest := range renderings(t) {
		for r := range rightsOf(t, manifest) {
			when[r] = append(when[r], name)
		}
	}
	raw, err := os.ReadFile(rightsFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	reasons := readReasons(string(raw))
	text := writeRights(when, reasons)
	if *update {
		if err := os.WriteFile(rightsFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if text != string(raw) {
		t.Errorf("%s is not what the charts give; run with -update, and write the reason of each new right", rightsFile)
	}
	for r := range when {
		if reasons[r.key()] == "" {
			t.Errorf("no reason: %s", r.key())
		}
		delete(reasons, r.key())
	}
	for key := range reasons {
		t.Errorf("a reason for a right that nobody has: %s", key)
	}
}

// readReasons by the key of their right.
func readReasons(text string) map[string]string {
	out := map[string]string{}
	account := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "## "); ok {
			account = name
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if account == "" || len(cells) != 5 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] == "in" || strings.HasPrefix(cells[0], "---") {
			continue
		}
		out[grant{account, cells[0], strings.ReplaceAll(cells[1], "`", ""), cells[2]}.key()] = cells[4]
	}
	return out
}

func writeRights(when map[grant][]string, reasons map[string]string) string {
	var b strings.Builder
	b.WriteString(rightsHead)
	account := ""
	for _, r := range slices.SortedFunc(maps.Keys(when), func(a, b grant) int { return cmp.Compare(a.key(), b.key()) }) {
		if r.account != account {
			account = r.account
			fmt.Fprintf(&b, "\n## %s\n\n| in | what | verbs | when | why |\n|---|---|---|---|---|\n", account)
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", r.scope, r.what, r.verbs, condition(when[r]), reasons[r.key()])
	}
	return b.String()
}

// condition says on which settings a right depends.
func condition(names []string) string {
	// The defaults of the two charts have the keys "" and " ".
	if slices.Contains(names, "") || slices.Contains(names, " ") {
		return "by default"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// The reader of a list must not take a reason for another right's, or the test above
// shows nothing.
func TestReasonsAreReadByRight(t *testing.T) {
	got := readReasons("# Rights\n\n## a/b\n\n| in | what | verbs | when | why |\n|---|---|---|---|---|\n| cluster | `pods` | get | by default | reads |\n" +
		"| cluster | `pods` | list | by default |  |\n\n## c/d\n| kubeedge | `secrets named x` | get | by default | keys |\n")
	want := map[string]string{"a/b | cluster | pods | get": "reads", "a/b | cluster | pods | list": "", "c/d | kubeedge | secrets named x | get": "keys"}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
