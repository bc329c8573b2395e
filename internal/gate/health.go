package gate

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/edgeway-io/edgeway/internal/gate/facts"
)

// lookTimeout bounds a look whether CloudCore listens.
const lookTimeout = time.Second

// health answers the kubelet's probes, for CloudCore's container as well: CloudHub listens
// on the loopback, and the guard lets no probe reach CloudCore's other ports.
func health(o *Options, f *facts.Facts) http.Handler {
	core := func(r *http.Request) error { return look(r.Context(), o.lookedAt()) }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", answer(func(*http.Request) error { return nil }))
	mux.HandleFunc("GET /cloudcore", answer(core))
	mux.HandleFunc("GET /readyz", answer(func(r *http.Request) error {
		if err := f.Ready(); err != nil {
			return err
		}
		return core(r)
	}))
	return mux
}

// lookedAt is the server of CloudCore's that says whether CloudCore is up.
func (o *Options) lookedAt() string {
	switch {
	case o.HubAddress != "":
		return o.CoreHub
	case o.CertificateAddress != "":
		return o.CoreCertificate
	}
	return o.CoreTunnel
}

func look(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("CloudCore does not listen: %w", err)
	}
	_ = conn.Close() // it carried nothing
	return nil
}

func answer(check func(*http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := check(r); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n") // the prober may have left
	}
}
