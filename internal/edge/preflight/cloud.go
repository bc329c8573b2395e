package preflight

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	dialTimeout = 5 * time.Second
	maxSkew     = 30 * time.Second
	maxCA       = 64 << 10
)

// cloud looks at CloudCore from the device.
func (f Facts) cloud() Probe {
	c := f.CloudCore
	p := Probe{ID: "cloudcore", Title: "CloudCore at " + c.Host, Run: f.resolve}
	p.Below = append(p.Below, Probe{ID: "cloudcore.https", Title: "certificate port " + strconv.Itoa(c.CertPort), Run: f.reach(c.CertPort),
		Below: []Probe{
			{ID: "cloudcore.clock", Title: "clock", Run: f.clock},
			{ID: "cloudcore.ca", Title: "certificate authority", Run: f.authority},
		}})
	p.Below = append(p.Below, Probe{ID: "cloudcore.websocket", Title: "WebSocket port " + strconv.Itoa(c.WebSocketPort), Run: f.reach(c.WebSocketPort)})
	if c.TunnelPort > 0 {
		p.Below = append(p.Below, Probe{ID: "cloudcore.tunnel", Title: "tunnel port " + strconv.Itoa(c.TunnelPort), Run: f.reach(c.TunnelPort)})
	}
	return p
}

func (f Facts) resolve(ctx context.Context) Outcome {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupHost(ctx, f.CloudCore.Host)
	if err != nil {
		return fail(err.Error(), "check the device's DNS (/etc/resolv.conf), or enrol with CloudCore's IP address")
	}
	return pass(fmt.Sprint(addrs))
}

func (f Facts) address(port int) string {
	return net.JoinHostPort(f.CloudCore.Host, strconv.Itoa(port))
}

func (f Facts) reach(port int) func(context.Context) Outcome {
	return func(ctx context.Context) Outcome {
		conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", f.address(port))
		if err != nil {
			return fail(err.Error(), fmt.Sprintf("open TCP port %d from this device to %s in the firewall, and map it to CloudCore", port, f.CloudCore.Host))
		}
		if err := conn.Close(); err != nil {
			return fail(err.Error(), "try again")
		}
		return pass("")
	}
}

// cloudHub gets CloudHub's CA and its idea of the time. Whom it speaks to is not
// checked here: that is what the answer is compared for.
func (f Facts) cloudHub(ctx context.Context) (ca []byte, date time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+f.address(f.CloudCore.CertPort)+"/ca.crt", nil)
	if err != nil {
		return nil, date, fmt.Errorf("asking CloudHub: %w", err)
	}
	t := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	res, err := (&http.Client{Transport: t}).Do(req)
	if err != nil {
		return nil, date, fmt.Errorf("asking CloudHub: %w", err)
	}
	defer res.Body.Close()
	if date, err = http.ParseTime(res.Header.Get("Date")); err != nil {
		return nil, date, fmt.Errorf("CloudHub's answer carries no date: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, date, fmt.Errorf("CloudHub answered %s", res.Status)
	}
	if ca, err = io.ReadAll(io.LimitReader(res.Body, maxCA)); err != nil {
		return nil, date, fmt.Errorf("reading CloudHub's answer: %w", err)
	}
	return ca, date, nil
}

func (f Facts) clock(ctx context.Context) Outcome {
	_, date, err := f.cloudHub(ctx)
	if err != nil {
		return fail(err.Error(), "check that the certificate port belongs to CloudHub's HTTPS service")
	}
	skew := time.Since(date).Round(time.Second)
	if skew.Abs() > maxSkew {
		return fail(fmt.Sprintf("this device's clock is off by %s", skew), "set the clock, best with NTP; certificates are not valid otherwise")
	}
	return pass("off by " + skew.String())
}

func (f Facts) authority(ctx context.Context) Outcome {
	if f.CA == nil {
		return Outcome{Status: Skipped, Detail: "compared once the code is redeemed"}
	}
	got, _, err := f.cloudHub(ctx)
	if err != nil {
		return fail(err.Error(), "check that the certificate port belongs to CloudHub's HTTPS service")
	}
	block, _ := pem.Decode(f.CA)
	if block == nil || !bytes.Equal(block.Bytes, got) {
		return fail("CloudHub shows another authority than the console", "CloudCore's address leads to another cluster, or somebody is in between: check address and port mapping")
	}
	return pass("")
}
