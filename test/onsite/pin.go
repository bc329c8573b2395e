package onsite

import (
	"crypto/tls"
	"net/url"

	"github.com/edgeway-io/edgeway/internal/edge/console"
)

// ConsolePin is the key that the console shows, as a person would compare it once.
func ConsolePin(t interface{ Fatal(...any) }, consoleURL string) string {
	u, err := url.Parse(consoleURL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{InsecureSkipVerify: true}) // to learn the key
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return console.Pin(conn.ConnectionState().PeerCertificates[0])
}
