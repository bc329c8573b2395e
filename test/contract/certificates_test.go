package contract

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/edgeway-io/edgeway/test/contract/cloud"
	"github.com/edgeway-io/edgeway/test/contract/edge"
)

// certificateBehaviors are CloudHub's HTTPS server and the Secrets.
var certificateBehaviors = []behavior[*site]{
	{"C01", "GET /ca.crt answers the CA of Secret casecret (cadata), in DER, to anyone", func(t *testing.T, s *site) {
		answer := must(edge.Ask{URL: "https://" + s.core.HTTPS + "/ca.crt"}.Get(ctxOf(t)))(t)
		if answer.Status != http.StatusOK || !bytes.Equal(answer.Body, s.ca(t)) {
			t.Errorf("got %d and %d bytes", answer.Status, len(answer.Body))
		}
	}},
	{"C02", "GET /edge.crt with the token signs the request: a client certificate in DER, good for edgeCertSigningDuration days", func(t *testing.T, s *site) {
		cert := s.sign(t, "system:node:a", "system:nodes").Leaf
		if cert.Subject.CommonName != "system:node:a" || len(cert.Subject.Organization) != 1 || cert.Subject.Organization[0] != "system:nodes" {
			t.Errorf("the subject is %s", cert.Subject)
		}
		if len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
			t.Errorf("the usages are %v", cert.ExtKeyUsage)
		}
		if left := time.Until(cert.NotAfter); left > 365*24*time.Hour || left < 364*24*time.Hour {
			t.Errorf("it ends at %s", cert.NotAfter)
		}
		ca := must(x509.ParseCertificate(s.ca(t)))(t)
		if err := cert.CheckSignatureFrom(ca); err != nil {
			t.Error(err)
		}
	}},
	{"C03", "The token is good for any subject: CloudHub compares it with nothing", func(t *testing.T, s *site) {
		if cert := s.sign(t, "system:masters-to-be", "system:masters").Leaf; cert.Subject.Organization[0] != "system:masters" {
			t.Errorf("the subject is %s", cert.Subject)
		}
	}},
	{"C04", "GET /edge.crt without a token answers 401", func(t *testing.T, s *site) {
		s.refused(t, http.Header{}, http.StatusUnauthorized)
	}},
	{"C05", "A token that another key signed answers 401", func(t *testing.T, s *site) {
		s.refused(t, bearer(signed(t, jwt.SigningMethodHS256, []byte("another key"), time.Hour)), http.StatusUnauthorized)
	}},
	{"C06", "A token that has expired answers 401", func(t *testing.T, s *site) {
		s.refused(t, bearer(signed(t, jwt.SigningMethodHS256, s.caKey(t), -time.Minute)), http.StatusUnauthorized)
	}},
	{"C07", "The token with the CA's hash before it, as tokensecret has it, answers 401: the edge cuts it off", func(t *testing.T, s *site) {
		s.refused(t, bearer(string(s.secret(t, "tokensecret", "tokendata"))), http.StatusUnauthorized)
	}},
	{"C08", "Whoever holds the CA's key mints tokens: one with a shorter life, HS256 with the key's DER as secret, is accepted", func(t *testing.T, s *site) {
		s.accepted(t, bearer(signed(t, jwt.SigningMethodHS256, s.caKey(t), time.Minute)))
	}},
	{"C09", "A token without an expiry is accepted", func(t *testing.T, s *site) {
		s.accepted(t, bearer(signed(t, jwt.SigningMethodHS256, s.caKey(t), 0)))
	}},
	{"C10", "An Authorization header of other than two words answers 401", func(t *testing.T, s *site) {
		s.refused(t, http.Header{"Authorization": {s.bearer(t)}}, http.StatusUnauthorized)
	}},
	{"C11", "A node renews its certificate with the one it has, and needs no token", func(t *testing.T, s *site) {
		cert := s.sign(t, "system:node:renewing", "system:nodes")
		req := must(edge.NewRequest("system:node:renewing", "system:nodes"))(t)
		answer := must(edge.Ask{URL: "https://" + s.core.HTTPS + "/edge.crt", Body: req.CSR, Cert: &cert,
			Header: http.Header{"Nodename": {"renewing"}}}.Get(ctxOf(t)))(t)
		if answer.Status != http.StatusOK {
			t.Fatalf("got %d %s", answer.Status, answer.Body)
		}
		if renewed := must(req.Certificate(answer.Body))(t); renewed.Leaf.NotAfter.Before(cert.Leaf.NotAfter) {
			t.Errorf("the new one ends at %s, before the old", renewed.Leaf.NotAfter)
		}
	}},
	{"C12", "Renewal under a NodeName other than the certificate's answers 401, token or not", func(t *testing.T, s *site) {
		cert := s.sign(t, "system:node:a", "system:nodes")
		req := must(edge.NewRequest("system:node:b", "system:nodes"))(t)
		header := bearer(s.bearer(t))
		header.Set("NodeName", "b")
		answer := must(edge.Ask{URL: "https://" + s.core.HTTPS + "/edge.crt", Body: req.CSR, Cert: &cert, Header: header}.Get(ctxOf(t)))(t)
		if answer.Status != http.StatusUnauthorized {
			t.Errorf("got %d %s", answer.Status, answer.Body)
		}
	}},
	{"C13", "Renewal signs the request's subject, whatever it says: only the header NodeName is compared with the certificate", func(t *testing.T, s *site) {
		cert := s.sign(t, "system:node:honest", "system:nodes")
		req := must(edge.NewRequest("system:node:victim", "system:nodes"))(t)
		answer := must(edge.Ask{URL: "https://" + s.core.HTTPS + "/edge.crt", Body: req.CSR, Cert: &cert,
			Header: http.Header{"Nodename": {"honest"}}}.Get(ctxOf(t)))(t)
		if answer.Status != http.StatusOK {
			t.Fatalf("got %d %s", answer.Status, answer.Body)
		}
		if got := must(req.Certificate(answer.Body))(t).Leaf.Subject.CommonName; got != "system:node:victim" {
			t.Errorf("the new subject is %s", got)
		}
	}},
	{"C14", "Renewal with a certificate of another CA answers 401", func(t *testing.T, s *site) {
		req := must(edge.NewRequest("system:node:a", "system:nodes"))(t)
		cert := selfSigned(t, "system:node:a", "system:nodes")
		answer := must(edge.Ask{URL: "https://" + s.core.HTTPS + "/edge.crt", Body: req.CSR, Cert: &cert,
			Header: http.Header{"Nodename": {"a"}}}.Get(ctxOf(t)))(t)
		if answer.Status != http.StatusUnauthorized {
			t.Errorf("got %d %s", answer.Status, answer.Body)
		}
	}},
	{"C15", "A request that is no signing request answers 500", func(t *testing.T, s *site) {
		answer := must(edge.Ask{URL: "https://" + s.core.HTTPS + "/edge.crt", Body: []byte("no CSR"), Header: bearer(s.bearer(t))}.Get(ctxOf(t)))(t)
		if answer.Status != http.StatusInternalServerError {
			t.Errorf("got %d %s", answer.Status, answer.Body)
		}
	}},
	{"C16", "The header ExtKeyUsages, a JSON list of numbers, decides what the certificate is good for", func(t *testing.T, s *site) {
		req := must(edge.NewRequest("system:node:a", "system:nodes"))(t)
		header := bearer(s.bearer(t))
		header.Set("ExtKeyUsages", "[1,2]")
		answer := must(edge.Ask{URL: "https://" + s.core.HTTPS + "/edge.crt", Body: req.CSR, Header: header}.Get(ctxOf(t)))(t)
		if answer.Status != http.StatusOK {
			t.Fatalf("got %d %s", answer.Status, answer.Body)
		}
		if usages := must(req.Certificate(answer.Body))(t).Leaf.ExtKeyUsage; len(usages) != 2 {
			t.Errorf("the usages are %v", usages)
		}
	}},
	{"C17", "GET /node/NAME answers 200 when that Node exists and 404 when not, to anyone", func(t *testing.T, s *site) {
		name := s.name(t)
		for _, want := range []int{http.StatusNotFound, http.StatusOK} {
			if want == http.StatusOK {
				s.node(t, name)
			}
			answer := must(edge.Ask{URL: "https://" + s.core.HTTPS + "/node/" + name}.Get(ctxOf(t)))(t)
			if answer.Status != want {
				t.Errorf("got %d %s, want %d", answer.Status, answer.Body, want)
			}
		}
	}},
	{"C18", "tokensecret's tokendata is the SHA-256 of the CA in hex, a dot, and a JWT that ends two tokenRefreshDurations from its making", func(t *testing.T, s *site) {
		token := string(s.secret(t, "tokensecret", "tokendata"))
		hash, signed, _ := strings.Cut(token, ".")
		if sum := sha256.Sum256(s.ca(t)); hash != hex.EncodeToString(sum[:]) {
			t.Errorf("it begins with %s", hash)
		}
		claims := jwt.RegisteredClaims{}
		if _, err := jwt.ParseWithClaims(signed, &claims, func(*jwt.Token) (any, error) { return s.caKey(t), nil }); err != nil {
			t.Fatal(err)
		}
		if left := time.Until(claims.ExpiresAt.Time); left > 24*time.Hour || left < 23*time.Hour {
			t.Errorf("it ends in %s", left)
		}
	}},
	{"C19", "cloudcoresecret's certificate is for the advertised addresses, as a server, and lasts a century", func(t *testing.T, s *site) {
		cert := must(x509.ParseCertificate(s.secret(t, "cloudcoresecret", "cloudcoredata")))(t)
		if len(cert.IPAddresses) != 1 || cert.IPAddresses[0].String() != "127.0.0.1" {
			t.Errorf("it is for %v", cert.IPAddresses)
		}
		if left := time.Until(cert.NotAfter); left < 99*364*24*time.Hour {
			t.Errorf("it ends at %s", cert.NotAfter)
		}
	}},
	{"C20", "Other paths of CloudHub's HTTPS server answer 404, other methods 405", func(t *testing.T, s *site) {
		answer := must(edge.Ask{URL: "https://" + s.core.HTTPS + "/healthz"}.Get(ctxOf(t)))(t)
		if answer.Status != http.StatusNotFound {
			t.Errorf("got %d for /healthz", answer.Status)
		}
		conf := must(cloud.ClientTLS(s.ca(t), nil))(t)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}}
		resp := must(client.Post("https://"+s.core.HTTPS+"/ca.crt", "", nil))(t)
		_ = resp.Body.Close() // only its status is of interest
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("got %d for POST /ca.crt", resp.StatusCode)
		}
	}},
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// signed makes a token; without a life it has no expiry.
func signed(t *testing.T, method jwt.SigningMethod, key []byte, life time.Duration) string {
	t.Helper()
	claims := jwt.RegisteredClaims{}
	if life != 0 {
		claims.ExpiresAt = jwt.NewNumericDate(time.Now().Add(life))
	}
	return must(jwt.NewWithClaims(method, claims).SignedString(key))(t)
}

func (s *site) caKey(t *testing.T) []byte { t.Helper(); return s.secret(t, "casecret", "cakeydata") }

func (s *site) edgeCRT(t *testing.T, header http.Header) edge.Answer {
	t.Helper()
	req := must(edge.NewRequest("system:node:a", "system:nodes"))(t)
	header = header.Clone()
	header.Set("NodeName", "a")
	return must(edge.Ask{URL: "https://" + s.core.HTTPS + "/edge.crt", Body: req.CSR, Header: header}.Get(ctxOf(t)))(t)
}

func (s *site) refused(t *testing.T, header http.Header, status int) {
	t.Helper()
	if answer := s.edgeCRT(t, header); answer.Status != status {
		t.Errorf("got %d %.200q, want %d", answer.Status, answer.Body, status)
	}
}

func (s *site) accepted(t *testing.T, header http.Header) {
	t.Helper()
	answer := s.edgeCRT(t, header)
	if answer.Status != http.StatusOK {
		t.Fatalf("got %d %s", answer.Status, answer.Body)
	}
	if _, err := x509.ParseCertificate(answer.Body); err != nil {
		t.Error(err)
	}
}
