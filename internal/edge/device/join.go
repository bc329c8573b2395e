package device

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/internal/edge/cri"
	"github.com/edgeway-io/edgeway/internal/edge/edgelog"
	"github.com/edgeway-io/edgeway/internal/edge/journal"
	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/edge/preflight"
	"github.com/edgeway-io/edgeway/internal/edge/service"
	"github.com/edgeway-io/edgeway/internal/enroll/bundle"
	"github.com/edgeway-io/edgeway/internal/enroll/pki"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// JoinOptions are join's arguments.
type JoinOptions struct {
	Server, Pin, Code string
	// Bundle, when given, takes the place of the console: Server, Pin and Code are
	// not used then.
	Bundle *bundle.Bundle
	// EdgeCore is a binary on this device; empty downloads the console's.
	EdgeCore string
	// KubeletConfig holds extra kubelet settings in YAML; nil for none.
	KubeletConfig []byte
	// Ignore names probes whose failure is only told.
	Ignore []string
	// Wait is the phase to wait for; Timeout bounds the wait. When the node has not
	// even registered by then, the join is undone.
	Wait    string
	Timeout time.Duration
}

// joining is one run of Join.
type joining struct {
	*Device
	JoinOptions
	origin  origin
	journal *journal.Journal
	lookup  *wire.Lookup
	granted *grant
	service service.Manager
	key     []byte
	// output of EdgeCore since this join started it.
	output service.Part
	// told is the trouble of EdgeCore's that was told last.
	told edgelog.Finding
}

// Join makes an edge node of the device. It may be repeated: a join that is
// complete is left as it is, one that was killed half-way is taken up again, one
// that failed has undone itself.
func (d *Device) Join(ctx context.Context, o JoinOptions) error {
	from, err := o.origin()
	if err != nil {
		return err
	}
	j, err := d.load()
	resuming := err == nil
	switch {
	case errors.Is(err, journal.ErrNotJoined):
		d.At = d.At.Writable()
		j = journal.New(d.At)
	case err != nil:
		return err
	case j.Complete:
		return d.joinedAlready(ctx, j, from)
	}
	run := &joining{Device: d, JoinOptions: o, origin: from, journal: j, service: service.Detect(d.At)}
	if err := run.prepare(ctx, resuming); err != nil {
		return run.failed(interrupted(ctx, err))
	}
	err = run.steps(ctx)
	if errors.Is(err, ErrNotThere) {
		return err // it has joined
	}
	if err != nil {
		err = interrupted(ctx, err)
		return errors.Join(run.failed(errors.Join(err, run.undo(err))), run.spent())
	}
	return nil
}

// spent tells what the next try needs. The key that the code was redeemed for went
// with the rest of the failed join.
func (r *joining) spent() error {
	if r.granted == nil || r.Bundle != nil {
		return nil
	}
	return ErrSpent
}

// interrupted names the reason where it was a person or a shutdown.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return ErrInterrupted
}

// joinedAlready: the same command once more does no harm, and starts a service
// that was stopped.
func (d *Device) joinedAlready(ctx context.Context, j *journal.Journal, from origin) error {
	if l, err := from.lookup(ctx); err == nil && l.NodeName != j.NodeName {
		return fmt.Errorf("%w (its node is %q)", ErrOtherNode, j.NodeName)
	}
	m, err := service.Named(j.Service, d.At)
	if err != nil {
		return err
	}
	if err := m.Start(ctx); err != nil {
		return err
	}
	d.say("this device has joined as %s already", j.NodeName)
	return nil
}

// prepare changes nothing on the device.
func (r *joining) prepare(ctx context.Context, resuming bool) error {
	var err error
	if r.lookup, err = r.origin.lookup(ctx); err != nil {
		return err
	}
	if resuming && r.journal.NodeName != r.lookup.NodeName {
		return fmt.Errorf("%w (an interrupted join of %q is on it)", ErrOtherNode, r.journal.NodeName)
	}
	r.say("joining as %s (%s)", r.lookup.NodeName, r.lookup.NodeIP)
	if r.lookup.Arch != r.Arch {
		return &PreflightError{Report: preflight.Report{ID: "arch", Title: "architecture", Outcome: preflight.Outcome{Status: preflight.Fail,
			Detail: fmt.Sprintf("this device is %s, the node is enrolled as %s", r.Arch, r.lookup.Arch),
			Remedy: "enroll the node with the device's architecture"}}}
	}
	report := preflight.Run(ctx, preflight.Device(r.facts(resuming)))
	for _, x := range report.Doubts() {
		r.say("%s: %s: %s\n    → %s", x.Status, x.Title, x.Detail, x.Remedy)
	}
	return r.judge(report)
}

func (r *joining) facts(resuming bool) preflight.Facts {
	f := preflight.Facts{Layout: r.At, Resuming: resuming}
	f.Know(r.lookup)
	return f
}

// judge refuses a device with a failure that is not ignored.
func (r *joining) judge(report preflight.Report) error {
	for _, x := range report.Failures() {
		if slices.Contains(r.Ignore, x.ID) {
			r.say("ignored: %s: %s", x.Title, x.Detail)
		}
	}
	if err := (&PreflightError{Report: report, Ignored: r.Ignore}); len(err.Failures()) > 0 {
		return err
	}
	return nil
}

// steps change the device; each is recorded before it is made.
func (r *joining) steps(ctx context.Context) error {
	j := r.journal
	j.NodeName, j.Server, j.Pin, j.RuntimeEndpoint = r.lookup.NodeName, r.Server, r.Pin, r.lookup.RuntimeEndpoint
	j.Programs = r.At.Programs
	if err := j.Save(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.redeem, r.verify, r.files, r.binaries, r.images, r.start, r.arrive} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// redeem keeps key and request on disk before it spends the code: the console
// answers the same request again after a crash. A bundle brings its key along.
func (r *joining) redeem(ctx context.Context) error {
	key, csr := r.origin.key(), []byte(nil)
	if key == nil {
		var err error
		if key, csr, err = r.pending(); err != nil {
			return err
		}
	}
	granted, err := r.origin.certificate(ctx, r.lookup.NodeName, csr)
	if err != nil {
		return err
	}
	r.say("%s, and the certificate is signed", granted.how)
	r.key, r.granted = key, granted
	r.journal.StatusToken = granted.StatusToken
	return r.journal.Save()
}

// pending is the key and the request of a join under way, made at its beginning.
func (r *joining) pending() (key, csr []byte, err error) {
	key, kerr := os.ReadFile(r.At.At(paths.PendingKey))
	csr, cerr := os.ReadFile(r.At.At(paths.PendingCSR))
	if kerr != nil || cerr != nil {
		if key, csr, err = pki.NewRequest(r.lookup.NodeName); err != nil {
			return nil, nil, err
		}
		err = errors.Join(r.journal.WriteFile(paths.PendingKey, key, 0o600), r.journal.WriteFile(paths.PendingCSR, csr, 0o600))
	}
	return key, csr, err
}

// verify trusts nobody with a certificate that EdgeCore could not use, and
// CloudCore with nothing before it shows the authority that signed it.
func (r *joining) verify(ctx context.Context) error {
	pair, err := tls.X509KeyPair([]byte(r.granted.Certificate), r.key)
	if err != nil {
		return errcat.Errorf("DeviceCertificate", "the certificate does not fit the key: %w", err)
	}
	if pair.Leaf.Subject.CommonName != pki.CommonName(r.lookup.NodeName) {
		return errcat.Errorf("DeviceCertificate", "the certificate is for %q, not for %q", pair.Leaf.Subject.CommonName, pki.CommonName(r.lookup.NodeName))
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(r.granted.CA)) {
		return errcat.New("DeviceCertificate", "the console sent no usable certificate authority")
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return errcat.Errorf("DeviceCertificate", "the certificate is not usable: %w%s", err, clockRemedy(err))
	}
	f := r.facts(true)
	f.CA = []byte(r.granted.CA)
	return r.judge(preflight.Run(ctx, preflight.Device(f)))
}

// clockRemedy speaks of the clock only where the certificate's time is what is wrong.
func clockRemedy(err error) string {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return "; this device's clock says " + time.Now().UTC().Format(time.RFC3339) + ": set it if that is wrong"
	}
	return ""
}

func (r *joining) files(ctx context.Context) error {
	driver, err := r.cgroupDriver(ctx)
	if err != nil {
		return err
	}
	config, cgroupRoot, err := tailor([]byte(r.granted.EdgeCoreConfig), r.KubeletConfig, r.lookup.NodeName, driver)
	if err != nil {
		return err
	}
	r.journal.CgroupRoot = cgroupRoot
	for _, tree := range paths.Trees() {
		if err := r.journal.OwnTree(tree); err != nil {
			return err
		}
	}
	return errors.Join(
		r.journal.WriteFile(paths.CA, []byte(r.granted.CA), 0o644),
		r.journal.WriteFile(paths.Cert, []byte(r.granted.Certificate), 0o644),
		r.journal.WriteFile(paths.Key, r.key, 0o600),
		r.journal.WriteFile(paths.Config, config, 0o600),
	)
}

// cgroupDriver is the enrollment's, else what the runtime uses, else what a
// runtime uses that is too old to tell.
func (r *joining) cgroupDriver(ctx context.Context) (string, error) {
	if r.lookup.CgroupDriver != "" {
		return r.lookup.CgroupDriver, nil
	}
	c, err := cri.Dial(r.lookup.RuntimeEndpoint)
	if err != nil {
		return "", err
	}
	defer c.Close()
	driver, err := c.CgroupDriver(ctx)
	if err != nil || driver == "" {
		r.say("the runtime does not tell its cgroup driver; taking %s", cri.Cgroupfs)
		return cri.Cgroupfs, nil
	}
	return driver, nil
}

func (r *joining) start(ctx context.Context) error {
	r.journal.Service = r.service.Name()
	for _, f := range r.service.Files() {
		if err := r.journal.WriteFile(f.Place, f.Data, f.Mode); err != nil {
			return err
		}
	}
	if r.service.Name() == service.Supervisor {
		if err := errors.Join(r.claimRun(), r.journal.Mkdir(paths.LogDir)); err != nil {
			return err
		}
	}
	if err := r.journal.Save(); err != nil {
		return err
	}
	r.say("starting EdgeCore (%s)", r.service.Name())
	r.output = service.Now(r.At, outputLines)
	return r.service.Start(ctx)
}

// claimRun records the supervisor's process file. After a reboot /run is empty,
// so it may be gone when it is removed.
func (r *joining) claimRun() error {
	err := r.journal.Claim(paths.PIDFile)
	if errors.Is(err, unix.EROFS) {
		return nil // it goes into the state directory
	}
	if errors.Is(err, journal.ErrForeign) {
		if rerr := os.Remove(r.At.At(paths.PIDFile)); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			return fmt.Errorf("removing a stale %s: %w", paths.PIDFile, rerr)
		}
		return r.journal.Claim(paths.PIDFile)
	}
	return err
}

// undo leaves the device as it was. It has a context of its own: the reason may
// be that the join's was canceled.
func (r *joining) undo(why error) error {
	r.say("the join failed and is undone")
	if errors.Is(why, errNotRegistered) {
		var log bytes.Buffer
		part := r.output
		part.Lines = 15
		if err := r.service.Log(context.Background(), &log, part); err == nil && log.Len() > 0 {
			r.say("EdgeCore's last lines:\n%s", log.String())
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit+podsLimit)
	defer cancel()
	if err := r.clear(ctx, r.journal, false); err != nil {
		return fmt.Errorf("undoing the join: %w\nrun edgectl leave to try again, or edgectl leave --force to give it up", err)
	}
	return nil
}
