package gate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/gate/subject"
	"github.com/edgeway-io/edgeway/test/contract/edge"
)

// signing is a request for a certificate, as EdgeCore sends it unless it says otherwise.
type signing struct {
	node string // of the header NodeName
	// subject is of the request; EdgeCore's for node when nil.
	subject *pkix.Name
	dns     []string
	token   string
	cert    *tls.Certificate
	usages  string
	body    []byte // instead of a request
}

// edgeCore is the subject of EdgeCore's own requests.
func edgeCore(node string) pkix.Name {
	return pkix.Name{CommonName: "system:node:" + node, Organization: []string{"system:nodes"},
		Country: []string{"CN"}, Province: []string{"Zhejiang"}, Locality: []string{"Hangzhou"}}
}

// sign asks the gate for a certificate and gives the answer.
func sign(t testing.TB, s signing) (int, []byte) {
	t.Helper()
	body := s.body
	if body == nil {
		subject := edgeCore(s.node)
		if s.subject != nil {
			subject = *s.subject
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if body, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject, DNSNames: s.dns}, key); err != nil {
			t.Fatal(err)
		}
	}
	header := http.Header{"Nodename": {s.node}}
	if s.token != "" {
		header.Set("Authorization", "Bearer "+s.token)
	}
	if s.usages != "" {
		header.Set("ExtKeyUsages", s.usages)
	}
	answer, err := edge.Ask{URL: "https://" + w.certificate + "/edge.crt", Header: header, Body: body, Cert: s.cert}.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return answer.Status, answer.Body
}

// joinToken is KubeEdge's own, without the CA's hash.
func joinToken(t testing.TB) string {
	t.Helper()
	_, token, _ := strings.Cut(string(secretData(t, "tokensecret", "tokendata")), ".")
	return token
}

func secretData(t testing.TB, name, key string) []byte {
	t.Helper()
	secret, err := w.kube.CoreV1().Secrets(v1alpha1.KubeEdgeNamespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return secret.Data[key]
}

// kubeEdgeCert is a certificate of KubeEdge's CA for any subject, as CloudHub signed it for
// whoever had one.
func kubeEdgeCert(t testing.TB, name string, groups ...string) tls.Certificate {
	t.Helper()
	key, err := x509.ParseECPrivateKey(secretData(t, "casecret", "cakeydata"))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(secretData(t, "casecret", "cadata"))
	if err != nil {
		t.Fatal(err)
	}
	return *certOf(t, &authority{cert: cert, key: key}, name, groups...)
}

// tokened is an enrollment for which a join token was handed out; the device may have come
// since.
func tokened(t testing.TB, name, node string, arrived bool) *v1alpha1.EdgeEnrollment {
	t.Helper()
	e := enrollment(t, name, node, v1alpha1.PhasePending)
	if arrived {
		e.Status.Phase = v1alpha1.PhaseVerified
	}
	meta.SetStatusCondition(&e.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionTokenMinted, Status: metav1.ConditionTrue, Reason: "Minted", LastTransitionTime: metav1.NewTime(time.Now())})
	if err := w.admin.Status().Update(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestWhatIsSigned: CloudHub signs any subject with any usages for whoever has a token or a
// certificate. The gate passes on what the sender may have.
func TestWhatIsSigned(t *testing.T) {
	node(t, "sign-node") // joined without an enrollment
	node(t, "sign-victim")
	tokened(t, "sign-keadm", "sign-keadm", false)
	tokened(t, "sign-again", "sign-again", true)
	enrollment(t, "sign-pending", "sign-pending", v1alpha1.PhasePending)
	node(t, "sign-code")
	code := enrollment(t, "sign-code", "sign-code", v1alpha1.PhaseVerified)
	code.Status.Certificate = []byte("signed")
	revoked := enrollment(t, "sign-revoked", "sign-revoked", v1alpha1.PhaseVerified)
	revoked.Spec.State = v1alpha1.StateRevoked
	for _, err := range []error{w.admin.Status().Update(t.Context(), code), w.admin.Update(t.Context(), revoked)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	token := joinToken(t)
	eventually(t, "the facts are known", func() error {
		return errors403(t, signing{node: "sign-revoked", token: token}, "the enrollment of this name is revoked")
	})
	own, codes := deviceCert(t, "sign-node"), deviceCert(t, "sign-code")
	forged := certOf(t, w.others, "system:node:sign-node", "system:nodes")
	with := func(change func(*pkix.Name)) *pkix.Name {
		s := edgeCore("sign-node")
		change(&s)
		return &s
	}
	victim := edgeCore("sign-victim")
	for _, tc := range []struct {
		name   string
		ask    signing
		status int
		text   string
	}{
		{"renewal", signing{node: "sign-node", cert: &own}, 200, ""},
		{"renewal of a node that joined by a code", signing{node: "sign-code", cert: &codes}, 200, ""},
		{"renewal, a client's usage named", signing{node: "sign-node", cert: &own, usages: "[2]"}, 200, ""},
		{"renewal, plain subject", signing{node: "sign-node", cert: &own, subject: with(func(n *pkix.Name) { n.Country, n.Province, n.Locality = nil, nil, nil })}, 200, ""},
		{"renewal into another node", signing{node: "sign-node", cert: &own, subject: &victim}, 403, `its subject is "CN=system:node:sign-victim`},
		{"renewal under another name", signing{node: "sign-victim", cert: &own}, 403, `the request is for node "sign-victim" and the certificate for "sign-node"`},
		{"renewal under another name, with a token", signing{node: "sign-victim", cert: &own, token: token}, 403, "the certificate is of another name"},
		{"renewal into another group", signing{node: "sign-node", cert: &own, subject: with(func(n *pkix.Name) { n.Organization = []string{"system:masters"} })}, 403, "system:masters"},
		{"renewal into a second group", signing{node: "sign-node", cert: &own, subject: with(func(n *pkix.Name) { n.Organization = append(n.Organization, "system:masters") })}, 403, "system:masters"},
		{"renewal with a unit", signing{node: "sign-node", cert: &own, subject: with(func(n *pkix.Name) { n.OrganizationalUnit = []string{"x"} })}, 403, "OU=x"},
		{"renewal for a host name", signing{node: "sign-node", cert: &own, dns: []string{"kubernetes"}}, 403, "alternative names"},
		{"renewal as a server", signing{node: "sign-node", cert: &own, usages: "[1,2]"}, 403, "ExtKeyUsages"},
		{"renewal for anything", signing{node: "sign-node", cert: &own, usages: "[0]"}, 403, "ExtKeyUsages"},
		{"renewal, usages unreadable", signing{node: "sign-node", cert: &own, usages: "all"}, 403, "ExtKeyUsages"},
		{"renewal without a name", signing{cert: &own}, 400, "NodeName"},
		{"renewal with another CA's certificate", signing{node: "sign-node", cert: forged}, 401, "the client certificate is not good"},
		{"no signing request", signing{node: "sign-node", cert: &own, body: []byte("no CSR")}, 403, "certificate request refused"},
		{"too long", signing{node: "sign-node", cert: &own, body: bytes.Repeat([]byte("x"), 1<<20)}, 400, "signing request"},
		{"token, enrolled for it", signing{node: "sign-keadm", token: token}, 200, ""},
		{"token, enrolled for it and there", signing{node: "sign-again", token: token}, 200, ""},
		{"token, Node without an enrollment", signing{node: "sign-node", token: token}, 200, ""},
		{"token, another name in the request", signing{node: "sign-keadm", token: token, subject: &victim}, 403, "certificate request refused"},
		{"token, as a server", signing{node: "sign-keadm", token: token, usages: "[1]"}, 403, "ExtKeyUsages"},
		{"token, a name that never was", signing{node: "sign-none", token: token}, 403, "no edge node of this name"},
		{"token, a code that nobody used", signing{node: "sign-pending", token: token}, 403, "no edge node of this name"},
		{"token, a node that joined by a code", signing{node: "sign-code", token: token}, 403, "has a certificate by its enrollment"},
		{"a token of nobody", signing{node: "sign-keadm", token: "x.y.z"}, 401, ""},
		{"no token", signing{node: "sign-keadm"}, 401, "join token"},
	} {
		status, body := sign(t, tc.ask)
		if status != tc.status || status != 200 && !strings.Contains(string(body), tc.text) {
			t.Errorf("%s: got %d %.300s, want %d %s", tc.name, status, body, tc.status, tc.text)
		}
		if status != 200 {
			continue
		}
		cert, err := x509.ParseCertificate(body)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if name, err := subject.Node(cert); err != nil || name != tc.ask.node || len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
			t.Errorf("%s: signed %s for %v", tc.name, cert.Subject, cert.ExtKeyUsage)
		}
	}
}

func errors403(t *testing.T, ask signing, text string) error {
	t.Helper()
	if status, body := sign(t, ask); status != http.StatusForbidden || !strings.Contains(string(body), text) {
		return &net.ParseError{Type: "answer", Text: string(body)}
	}
	return nil
}

// TestWhatEverybodyMayAsk: the CA and whether a Node exists are for everybody, and other
// paths are not there.
func TestWhatEverybodyMayAsk(t *testing.T) {
	node(t, "sign-there")
	for path, want := range map[string]int{"/ca.crt": 200, "/node/sign-there": 200, "/node/sign-nowhere": 404, "/healthz": 404} {
		answer, err := edge.Ask{URL: "https://" + w.certificate + path}.Get(t.Context())
		if err != nil || answer.Status != want {
			t.Errorf("%s: got %d %s, %v; want %d", path, answer.Status, answer.Body, err, want)
		}
		if path == "/ca.crt" && !bytes.Equal(answer.Body, secretData(t, "casecret", "cadata")) {
			t.Error("/ca.crt is not the CA")
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/cloudcore"} {
		response, err := http.Get("http://" + w.health + path)
		if err != nil {
			t.Fatal(err)
		}
		if text := bodyOf(response); response.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", path, response.StatusCode, text)
		}
	}
	// Who reports on a task is a node that proves it, and reports its own.
	own := deviceCert(t, "sign-there")
	eventually(t, "the facts are known", func() error {
		if got := report(t, own, "sign-there", "sign-there"); got == http.StatusForbidden {
			return http.ErrNotSupported
		}
		return nil
	})
	for name, tc := range map[string]struct {
		cert       tls.Certificate
		path, body string
		want       int
	}{
		// The stand-in has no tasks: 404 is CloudHub's own answer.
		"own":                  {own, "sign-there", "sign-there", 404},
		"another in the path":  {own, "sign-victim", "sign-there", 403},
		"another in the body":  {own, "sign-there", "sign-victim", 403},
		"without certificates": {tls.Certificate{}, "sign-there", "sign-there", 401},
	} {
		got := report(t, tc.cert, tc.path, tc.body)
		if got != tc.want && !(tc.want == 404 && got == 200) {
			t.Errorf("report, %s: got %d, want %d", name, got, tc.want)
		}
	}
}

func report(t *testing.T, cert tls.Certificate, path, node string) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}}}}
	response, err := client.Post("https://"+w.certificate+"/task/upgrade/name/t/node/"+path+"/status", "application/json", strings.NewReader(`{"NodeName":"`+node+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // only its status is of interest
	return response.StatusCode
}
