package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules/leftovers"
)

// foreignEvery is how often other tools' old rules are looked for.
const foreignEvery = 10 * time.Minute

// foreignLooker reports old rules of other tools.
type foreignLooker struct {
	log    *slog.Logger
	netNS  int
	report *report
	told   string
}

func (l *foreignLooker) run(ctx context.Context) error {
	for {
		l.look(ctx)
		if !sleep(ctx, foreignEvery) {
			return nil
		}
	}
}

func (l *foreignLooker) look(ctx context.Context) {
	found := leftovers.Look(ctx, l.netNS)
	if ctx.Err() != nil {
		return
	}
	l.report.foreign(found)
	if text := describe(found.Findings); text != l.told {
		l.told = text
		if text != "" {
			l.log.Warn("other tools' old rules redirect connections to edge nodes; iptables-operator --remove-foreign removes them", "found", text)
		}
	}
}

func describe(findings []leftovers.Finding) string {
	texts := make([]string, 0, len(findings))
	for _, f := range findings {
		texts = append(texts, f.String())
	}
	return strings.Join(texts, ", ")
}

// foreign sets the condition about rules of other tools.
func (r *report) foreign(found leftovers.Report) {
	r.change(func() {
		unseen := ""
		if len(found.Unseen) > 0 {
			unseen = " Not looked at: " + strings.Join(found.Unseen, "; ") + "."
		}
		switch {
		case len(found.Findings) > 0:
			r.condition(v1alpha1.ConditionForeignRules, true, "Found", fmt.Sprintf(
				"The kernel holds %s. Stop what makes them (iptablesManager in CloudCore's configuration, the old edge-watcher), then run iptables-operator --remove-foreign on this node.%s",
				describe(found.Findings), unseen))
		case unseen != "":
			r.condition(v1alpha1.ConditionForeignRules, false, "NotAllSeen", "No old rules of other tools were found."+unseen)
		default:
			r.condition(v1alpha1.ConditionForeignRules, false, "NoneFound", "No old rules of other tools were found.")
		}
	})
}

// removeForeign removes old rules of other tools, by hand.
func removeForeign(ctx context.Context, log *slog.Logger) error {
	found := leftovers.Look(ctx, ownNetNS)
	for _, text := range found.Unseen {
		log.Warn("not looked at", "place", text)
	}
	if err := found.Remove(ctx, ownNetNS); err != nil {
		return err
	}
	// What cannot be seen is not an error: that a kernel has no IPv6 is usual.
	left := leftovers.Look(ctx, ownNetNS)
	if len(left.Findings) > 0 {
		return errors.New("still there, so something makes them again: " + describe(left.Findings))
	}
	log.Info("removed other tools' old rules", "removed", describe(found.Findings))
	return nil
}
